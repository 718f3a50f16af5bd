// The switch that stops every write: one press stops, and nothing under the hand resumes by a second one.

import { announce, byId, when, write } from "./elements.js";
import { post } from "./server.js";

const STOPPING = "Stopping refuses every write at once, in all processes on this store.";
const SETTLING = 1000; // milliseconds in which a press may be the second half of a double one

const bar = byId("bar");
const stop = byId("stop");
const resume = byId("resume");
let changed = () => {};

/** `whenChanged` is called with the state after a press. */
export function showPressesTo(whenChanged) {
  changed = whenChanged;
  stop.addEventListener("click", () => press("stop", "Not stopped", "In a terminal: telnyx-conferencing stop"));
  stop.disabled = false; // it does nothing before this script is here
  resume.addEventListener("click", () => press("resume", "Not resumed", "In a terminal: telnyx-conferencing resume"));
}

async function press(name, failed, instead) {
  if (bar.hasAttribute("data-settling") || bar.hasAttribute("data-busy")) return;
  bar.toggleAttribute("data-busy", true);
  write(byId("writes-problem"), "");
  try {
    const { state } = await post(name);
    changed(state);
  } catch (problem) {
    write(byId("writes-problem"), `${failed}: ${problem.message} ${instead}`);
  } finally {
    bar.toggleAttribute("data-busy", false);
  }
}

/** Show whether writes are stopped. */
export function showSwitch({ stopped }) {
  const writes = stopped ? "stopped" : "allowed";
  const before = bar.dataset.writes;
  write(byId("writes-title"), stopped ? "All writes are stopped" : "Writes are allowed");
  write(byId("writes-detail"), stopped ? detail(stopped) : STOPPING);
  if (before === writes) return;
  const held = [stop, resume].includes(document.activeElement);
  bar.dataset.writes = writes;
  stop.hidden = Boolean(stopped);
  resume.hidden = !stopped;
  if (held) byId("writes").focus({ preventScroll: true });
  if (before === "unknown" && !stopped) return;
  settle();
  announce(stopped ? `All writes are stopped. ${detail(stopped)}` : "Writes are allowed again.");
}

function settle() {
  bar.toggleAttribute("data-settling", true);
  setTimeout(() => bar.removeAttribute("data-settling"), SETTLING);
}

function detail({ by, at, reason }) {
  return `By ${by}, ${when(at)}${reason ? `: ${reason}` : ""}. Everything is refused until resumed.`;
}
