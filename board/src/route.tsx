// The views of the operator page and their addresses.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

export const ROOT = "/operator";
const listeners = new Set<() => void>();

/** Go to an address of this page. */
export function go(path: string): void {
  if (path === location.pathname + location.search) return;
  history.pushState(null, "", path);
  for (const listener of listeners) listener();
}

/** The address below the root, such as `/history/abc`. */
export function usePath(): string {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const read = () => setPath(location.pathname);
    listeners.add(read);
    addEventListener("popstate", read);
    return () => {
      listeners.delete(read);
      removeEventListener("popstate", read);
    };
  }, []);
  return path.slice(ROOT.length).replace(/\/$/, "");
}

interface LinkProps {
  to: string;
  current?: boolean;
  class?: string;
  children: ComponentChildren;
}

export function Link({ to, current, children, class: name }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(ROOT + to);
  };
  return (
    <a href={ROOT + to} class={name} aria-current={current ? "page" : undefined} onClick={follow}>
      {children}
    </a>
  );
}
