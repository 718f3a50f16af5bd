// Small parts that several others show.

import type { ComponentChildren } from "preact";

const PATHS = {
  mic: "M8 1.5a2 2 0 0 0-2 2v4a2 2 0 0 0 4 0v-4a2 2 0 0 0-2-2ZM3.8 7.5a4.2 4.2 0 0 0 8.4 0M8 11.7v2.8M5.5 14.5h5",
  mute: "M8 1.5a2 2 0 0 0-2 2v4a2 2 0 0 0 4 0v-4a2 2 0 0 0-2-2ZM3.8 7.5a4.2 4.2 0 0 0 8.4 0M8 11.7v2.8M5.5 14.5h5M2.5 2l11 12",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M4.5 2.8v10.4L13 8Z",
  bell: "M8 2a3.8 3.8 0 0 0-3.8 3.8c0 3.4-1.2 4.4-1.7 5.2h11c-.5-.8-1.7-1.8-1.7-5.2A3.8 3.8 0 0 0 8 2ZM6.5 13.5a1.6 1.6 0 0 0 3 0",
  sound: "M2.5 6v4h2.3L8.5 13V3L4.8 6ZM11 5.6a3.4 3.4 0 0 1 0 4.8M12.8 3.8a6 6 0 0 1 0 8.4",
  stop: "M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2ZM5 8h6",
  grow: "M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9",
  menu: "M2.5 4h11M2.5 8h11M2.5 12h11",
  warn: "M8 2 1.8 13.5h12.4ZM8 6.5v3.2M8 11.6v.2",
  back: "M9.5 3 4.5 8l5 5",
};
export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Text that another person chose: shown as it is, in either direction of writing. */
export function Theirs({ text, class: name }: { text: string; class?: string }) {
  return (
    <bdi class={name ? `theirs ${name}` : "theirs"} title={text}>
      {text}
    </bdi>
  );
}

/** A sentence of the server with names that other people chose: it reads from the left, whatever the first name is. */
export function Sentence({ text, class: name }: { text: string; class?: string }) {
  return (
    <bdi dir="ltr" class={name ? `theirs whole ${name}` : "theirs whole"}>
      {text}
    </bdi>
  );
}

export function Unseen({ children }: { children: ComponentChildren }) {
  return <span class="unseen">{children}</span>;
}

export function Trouble({ text }: { text: string }) {
  return text ? (
    <p class="trouble" role="alert">
      {text}
    </p>
  ) : null;
}

export const count = (many: number, one: string, several = `${one}s`): string =>
  `${many} ${many === 1 ? one : several}`;

const announcement = document.createElement("div");
announcement.className = "unseen";
announcement.setAttribute("role", "status");

/** Have a screen reader read this out. */
export function announce(text: string): void {
  if (!announcement.isConnected) document.body.append(announcement);
  announcement.textContent = text;
}
