// Requests to the server. The key is this port's own: it was handed out at sign-in, beside the cookie.

import type { Desk } from "./model";

const STORED = "operator-key";
const SILENCE_MS = 40_000;
const PAUSES_MS = [500, 1000, 2000, 4000];
const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/** What the server refused, as a sentence; `status` is 0 when there was no answer. */
export class Problem extends Error {
  constructor(
    public status: number,
    message: string,
  ) {
    super(message);
  }
}

export const keepKey = (key: string): void => localStorage.setItem(STORED, key);
export const forgetKey = (): void => localStorage.removeItem(STORED);

const headers = (): Record<string, string> => ({
  "Content-Type": "application/json",
  "X-Operator-Key": localStorage.getItem(STORED) ?? "",
});

/** Ask the server. Throws `Problem`. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`/operator/api/${path}`, { headers: headers(), redirect: "error", ...init });
  } catch (why) {
    if ((why as Error).name === "AbortError") throw why;
    const more = init.method === "POST" ? " It may have ended, or it may still have done this." : "";
    throw new Problem(0, `The server did not answer.${more}`);
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  throw new Problem(answer.status, body.error ?? `The server answered ${answer.status}.`);
}

/** Ask for a change. Returns the answer, if it has a body. Throws `Problem`. */
export async function post<T>(path: string, body: object = {}): Promise<T> {
  const answer = await request(path, { method: "POST", body: JSON.stringify(body) });
  return (answer.status === 204 ? null : await answer.json()) as T;
}

export async function get<T>(path: string, query: Record<string, string | number | undefined> = {}): Promise<T> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return (await request(text ? `${path}?${text}` : path)).json() as Promise<T>;
}

/** Save what the server answers as a file. Returns the answer, for its headers. Throws `Problem`. */
export async function save(path: string, file: string): Promise<Response> {
  const answer = await request(path);
  const url = URL.createObjectURL(await answer.blob());
  Object.assign(document.createElement("a"), { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
  return answer;
}

export interface Follower {
  state: (desk: Desk) => void;
  lost: (text: string) => void;
  ended: (why: string) => void;
}

/** Follow the state until the sign-in ends. Read with fetch: an EventSource can neither send the key nor see a status. */
export async function follow(follower: Follower): Promise<void> {
  for (let failures = 0; ; failures += 1) {
    try {
      const ended = await listen((desk) => {
        failures = 0;
        follower.state(desk);
      });
      if (ended) return follower.ended(ended);
      follower.lost("Connection lost. Trying again …");
    } catch (problem) {
      const { status, message } = problem as Problem;
      if (status === 401) return follower.ended("You are not signed in any more.");
      follower.lost(status ? message : "The server does not answer. Trying again …");
    }
    await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]!);
  }
}

/** Read one stream to its end. Returns why the sign-in ended, if it did. Throws `Problem`, or what `fetch` throws. */
async function listen(show: (desk: Desk) => void): Promise<string> {
  const abort = new AbortController();
  let silence = setTimeout(() => abort.abort(), SILENCE_MS);
  try {
    const answer = await request("events", { signal: abort.signal });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let held = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return "";
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
      const blocks = (held + value).split("\n\n");
      held = blocks.pop()!;
      let newest = ""; // a page that fell behind need not draw what is past
      for (const block of blocks) {
        const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
        if (event === "ended") return (JSON.parse(data!) as { why: string }).why;
        if (event === "state") newest = data!;
      }
      if (newest) show(JSON.parse(newest));
    }
  } finally {
    clearTimeout(silence);
    abort.abort();
  }
}
