// Durations count by themselves: one timer writes them all, and nothing else is drawn for it.

import { useEffect, useRef } from "preact/hooks";

const INTERVAL_MS = 250;
const counted = new Map<HTMLElement, () => void>();
let aheadMs = 0;
let aheadOfCallsMs = 0;

/** By how many milliseconds this clock is ahead of Telnyx's, and of the server's: the clock of a sandbox can be moved. */
export function setAhead(ofCalls: number, ofServer = ofCalls): void {
  aheadOfCallsMs = ofCalls;
  aheadMs = ofServer;
}

/** The server's time, in milliseconds. */
export const serverNow = (): number => Date.now() - aheadMs;

setInterval(() => {
  if (document.visibilityState !== "hidden") for (const write of counted.values()) write();
}, INTERVAL_MS);

/** A duration as `2:13`, or `1:02:13`. */
export function spell(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = String(seconds % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

interface Counting {
  /** The moment of a call from which it counts, or of the server to which it counts down. */
  moment: string;
  down?: boolean;
  class?: string;
  /** Seconds from which on it is long. */
  long?: number;
}

/** How long something has lasted, or how much time is left. */
export function Lasting({ moment, down, long, class: name }: Counting) {
  const at = useRef<HTMLTimeElement>(null);
  useEffect(() => {
    const node = at.current!;
    const write = () => {
      const past = Date.now() - (down ? aheadMs : aheadOfCallsMs) - Date.parse(moment);
      const text = spell(down ? -past : past);
      if (node.textContent !== text) node.textContent = text;
      if (long) node.toggleAttribute("data-long", past > long * 1000);
    };
    counted.set(node, write);
    write();
    return () => void counted.delete(node);
  }, [moment, down, long]);
  return <time class={name ? `lasting ${name}` : "lasting"} ref={at} dateTime={moment} />;
}

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const YEAR_DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

/** A moment's time of day as the viewer's locale writes it, with the day unless that is today. */
export function when(iso: string): string {
  const [at, now] = [new Date(iso), new Date(serverNow())];
  if (at.toDateString() === now.toDateString()) return TIME.format(at);
  return `${(at.getFullYear() === now.getFullYear() ? DAY : YEAR_DAY).format(at)}, ${TIME.format(at)}`;
}

export const Moment = ({ at }: { at: string }) => <time dateTime={at}>{when(at)}</time>;
