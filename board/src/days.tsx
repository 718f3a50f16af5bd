// Two fields that limit a list to days, in the viewer's time zone.

import { serverNow } from "./clock";

/** The first and the last day, such as 2026-01-31; empty: no limit. */
export interface Days {
  from: string;
  to: string;
}

/** The days as the server reads them: from the start of the first to the start of the day after the last. */
export function timesOf({ from, to }: Days): { since: string; until: string } {
  return { since: startOf(from), until: startOf(to, 1) };
}

/** Today in the viewer's time zone, as a day. */
export function today(): string {
  const now = new Date(serverNow());
  const pad = (part: number) => String(part).padStart(2, "0");
  return `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
}

function startOf(day: string, daysLater = 0): string {
  if (!day) return "";
  const at = new Date(`${day}T00:00`);
  at.setDate(at.getDate() + daysLater);
  return at.toISOString();
}

export function DayFields({ days: { from, to }, onChange }: { days: Days; onChange: (days: Days) => void }) {
  return (
    <>
      <label class="field">
        From
        <input type="date" value={from} onInput={(event) => onChange({ from: event.currentTarget.value, to })} />
      </label>
      <label class="field">
        To
        <input type="date" value={to} onInput={(event) => onChange({ from, to: event.currentTarget.value })} />
      </label>
    </>
  );
}
