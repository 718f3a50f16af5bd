// What the server tells: see server/board/view.py. Whatever is not there is not so, or not known.

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

export interface Happened {
  id: string;
  at: string;
  kind: string;
  text: string;
}

export interface Approval {
  /** Empty where nobody can answer by it. */
  code: string;
  tool: string;
  risk: string;
  question: string;
  expires_at: string;
}

export interface Board {
  now: string;
  rooms: Room[];
  more_rooms?: number;
  queues: Queue[];
  more_queues?: number;
  events: Happened[];
  approvals: Approval[];
  others_waiting?: number;
  stopped?: string;
  actions: string[];
  cards?: boolean;
}

/** An approval as a card: with the secret by which its buttons answer it. */
export interface Card {
  approval: Approval;
  secret: string;
}

/** What came of pressing a button. `pending`: the code as which it waits for a person's yes. */
export interface Outcome {
  failed: boolean;
  text: string;
  pending?: string;
}

/** What the page shows. */
export interface Shown {
  board?: Board;
  card?: Card;
  /** Whether what is shown is as it is now; otherwise why not, as a sentence. */
  trouble: string;
  /** By how many milliseconds this clock is ahead of the server's. */
  ahead: number;
}

/** Where the page gets what it shows, and hands on what is pressed. */
export interface Source {
  /** Whether it is a page of its own, or a part of a conversation. */
  place: "browser" | "host";
  start(told: (change: Partial<Shown>) => void): void;
  act(tool: string, given: Record<string, unknown>): Promise<Outcome>;
  /** Fetch the card of an approval, where a person may answer by one. */
  card?(code: string): Promise<Card | Outcome>;
  decide?(card: Card, yes: boolean): Promise<Outcome>;
}

/** The new value, with every part of the old one that says the same: what is the same need not be drawn again. */
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
