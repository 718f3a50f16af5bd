// Asking the server. The key is this port's own: it was handed out at sign-in, beside the cookie.

const STORED = "operator-key";
export const KEY_HEADER = "X-Operator-Key";

/** What the server refused, as a sentence; `status` is 0 when there was no answer. */
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const key = () => localStorage.getItem(STORED) ?? "";
export const keepKey = (given) => localStorage.setItem(STORED, given);
export const forgetKey = () => localStorage.removeItem(STORED);

/** What went wrong, from an answer that is not a success. */
export async function problemOf(answer) {
  const body = await answer.json().catch(() => ({}));
  return new Problem(answer.status, body.error ?? `The server answered ${answer.status}.`);
}

/** Ask for a change; the answer, if it has a body. Throws `Problem`. */
export async function post(name, body = {}) {
  const headers = { "Content-Type": "application/json", [KEY_HEADER]: key() };
  const request = { method: "POST", headers, body: JSON.stringify(body), redirect: "error" };
  let answer;
  try {
    answer = await fetch(`/operator/${name}`, request);
  } catch {
    throw new Problem(0, "The server did not answer. It may have ended, or it may still have done this.");
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer.status === 204 ? null : answer.json();
}
