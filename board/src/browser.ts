// The page at /board of the server itself: told by a stream, signed in like the operator page.

import type { Board, Outcome, Shown, Source } from "./model";

const KEY = "operator-key"; // as the operator page keeps it
const SILENCE = 40_000;
const PAUSES = [500, 1000, 2000, 4000];
const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

class SignedOut extends Error {}

export class BrowserSource implements Source {
  place = "browser" as const;

  start(told: (change: Partial<Shown>) => void): void {
    void this.follow(told);
  }

  private async follow(told: (change: Partial<Shown>) => void): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      try {
        await this.listen((board) => {
          failures = 0;
          told({ board, trouble: board.trouble ?? "", ahead: Date.now() - Date.parse(board.now) });
        });
        told({ trouble: "Connection lost. Trying again …" });
      } catch (why) {
        if (why instanceof SignedOut) return void location.assign("/operator");
        told({ trouble: "The server does not answer. Trying again …" });
      }
      await pause(PAUSES[Math.min(failures, PAUSES.length - 1)]!);
    }
  }

  /** Read one stream to its end. Throws `SignedOut`, or what `fetch` throws. */
  private async listen(told: (board: Board & { trouble?: string }) => void): Promise<void> {
    const given = new AbortController();
    let silence = setTimeout(() => given.abort(), SILENCE);
    try {
      const answer = await fetch("/board/events", { headers: headers(), signal: given.signal });
      if (answer.status === 401) throw new SignedOut();
      if (!answer.ok || !answer.body) throw new Error(await problemOf(answer));
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let held = ""; ; ) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(() => given.abort(), SILENCE);
        const blocks = (held + value).split("\n\n");
        held = blocks.pop()!;
        const found = blocks.map((block) => /^event: (\w+)\ndata: (.*)$/.exec(block)).filter((one) => one !== null);
        if (found.some(([, event]) => event === "ended")) throw new SignedOut();
        const newest = found.pop(); // a page that fell behind need not draw what is past
        if (newest) told(JSON.parse(newest[2]!));
      }
    } finally {
      clearTimeout(silence);
      given.abort();
    }
  }

  async act(tool: string, given: Record<string, unknown>): Promise<Outcome> {
    try {
      const body = JSON.stringify({ tool, arguments: given });
      const answer = await fetch("/board/call", { method: "POST", headers: headers(), body, redirect: "error" });
      if (answer.status === 401) location.assign("/operator");
      return answer.ok ? await answer.json() : { failed: true, text: await problemOf(answer) };
    } catch {
      return { failed: true, text: "The server did not answer. It may still have done this." };
    }
  }
}

function headers(): Record<string, string> {
  return { "Content-Type": "application/json", "X-Operator-Key": localStorage.getItem(KEY) ?? "" };
}

async function problemOf(answer: Response): Promise<string> {
  const body = await answer.json().catch(() => ({}));
  return body.error ?? `The server answered ${answer.status}.`;
}
