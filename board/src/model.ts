// What the server sends: see server/board/view.py and server/web/operator/view.py. A field that is missing does not
// apply, or is not known.

export interface Person {
  leg: string;
  name: string;
  number?: string;
  since?: string;
  talking?: string;
  muted?: true;
  held?: string;
  role?: "monitor" | "whisper" | "barge";
}

export interface Room {
  id: string;
  name: string;
  since?: string;
  present: number;
  people: Person[];
  recording?: string;
  playing?: number;
}

export interface Waiting {
  leg: string;
  name: string;
  since?: string;
  gone?: true;
}

export interface Queue {
  name: string;
  size: number;
  most?: number;
  calls: Waiting[];
}

export interface LineEvent {
  id: string;
  at: string;
  kind: string;
  text: string;
}

export interface Alert {
  id: string;
  /** Since when its condition holds. */
  since: string;
  text: string;
  conference_id?: string;
  queue?: string;
}

export interface Approval {
  /** Empty where nobody can answer by it. */
  code: string;
  tool: string;
  risk: string;
  question: string;
  expires_at: string;
  asked_by?: string;
  asked_at?: string;
  state?: string;
  answer?: "approved" | "rejected";
  /** The conference that it names. */
  room?: string;
  decided_at?: string;
  by?: string;
  reason?: string;
  /** What has changed since it was asked. */
  changed?: string;
}

/** What happens on the line. */
export interface Live {
  rooms: Room[];
  more_rooms?: number;
  queues: Queue[];
  more_queues?: number;
  events: LineEvent[];
  alerts?: Alert[];
  more_alerts?: number;
  /** Why alerts do not reach the operator's webhook. */
  alert_trouble?: string;
  /** The tools that have a button here. */
  actions: string[];
}

/** The switchboard in a conversation. */
export interface Board extends Live {
  now: string;
  approvals: Approval[];
  others_waiting?: number;
  stopped?: string;
  cards?: boolean;
}

/** Several calls that a person has allowed at once. */
export interface Grant {
  code: string;
  tool: string;
  /** Allowed values by argument. */
  limits: Record<string, string>;
  room: string;
  count: number;
  left: number;
  asked_by: string;
  granted_by: string;
  expires_at: string;
}

/** The operator page's state. Who may not read calls gets none. */
export interface Desk extends Partial<Live> {
  number: number;
  now: string;
  /** The time at Telnyx. */
  calls_now: string;
  waiting: number;
  pending: Approval[];
  /** Those answered a moment ago. */
  decided: Approval[];
  grants: Grant[];
  stopped: { at: string; by: string; reason: string } | null;
  /** The number of the newest record of the audit. */
  audit: number;
  trouble?: string;
}

/** What came of pressing a button. `pending`: the code as which it waits for a person's yes. */
export interface Outcome {
  failed: boolean;
  text: string;
  pending?: string;
}

/** What the buttons of rooms and people do. */
export interface Buttons {
  press: (tool: string, args: Record<string, unknown>) => Promise<void>;
  can: (tool: string) => boolean;
}

/** The new value, with every part of the old one that is equal: an equal part need not be drawn again. */
export function kept<T>(before: unknown, now: T): T {
  if (Object.is(before, now) || typeof before !== "object" || typeof now !== "object" || !before || !now) return now;
  if (Array.isArray(before) !== Array.isArray(now)) return now;
  const [old, fresh] = [before as Record<string, unknown>, now as Record<string, unknown>];
  let same = Object.keys(old).length === Object.keys(fresh).length;
  for (const key of Object.keys(fresh)) {
    fresh[key] = kept(old[key], fresh[key]);
    same &&= Object.is(old[key], fresh[key]);
  }
  return same ? (before as T) : now;
}
