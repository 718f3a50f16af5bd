// The server's state as it changes. Read with fetch, because an EventSource can neither send the key nor see a status.

import { KEY_HEADER, key, problemOf } from "./server.js";

const SILENCE = 40_000;
const PAUSES = [500, 1000, 2000, 4000];
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Follow the state until the session ends. `told` takes `state`, `ended` and `lost` with what belongs to each. */
export async function follow(told) {
  for (let failures = 0; ; failures += 1) {
    try {
      const ended = await listen((event, content) => {
        failures = 0;
        told[event](content);
      });
      if (ended) return;
      told.lost("Connection lost. Trying again …");
    } catch (problem) {
      if (problem.status === 401) {
        told.ended({ why: "You are not signed in any more." });
        return;
      }
      told.lost(problem.status ? problem.message : "The server does not answer. Trying again …");
    }
    await pause(PAUSES[Math.min(failures, PAUSES.length - 1)]);
  }
}

/** Read one stream to its end; whether the session ended with it. Throws `Problem`, or what `fetch` throws. */
async function listen(told) {
  const given = new AbortController();
  let silence = setTimeout(() => given.abort(), SILENCE);
  try {
    const answer = await fetch("/operator/events", { headers: { [KEY_HEADER]: key() }, signal: given.signal });
    if (!answer.ok) throw await problemOf(answer);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let held = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return false;
      clearTimeout(silence);
      silence = setTimeout(() => given.abort(), SILENCE);
      const blocks = (held + value).split("\n\n");
      held = blocks.pop();
      for (const { event, content } of blocks.map(parsed).filter(Boolean)) {
        told(event, content);
        if (event === "ended") return true;
      }
    }
  } finally {
    clearTimeout(silence);
    given.abort();
  }
}

function parsed(block) {
  const found = /^event: (\w+)\ndata: (.*)$/.exec(block);
  return found && { event: found[1], content: JSON.parse(found[2]) };
}
