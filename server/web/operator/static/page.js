// The page: what the server tells goes to its parts, and what is pressed goes to the server.

import { showActions } from "./actions.js";
import { showCards, showDecisionsTo, tick } from "./cards.js";
import { byId, element, write } from "./elements.js";
import { forgetKey, post } from "./server.js";
import { follow } from "./stream.js";
import { showPressesTo, showSwitch } from "./switch.js";

const PRESENT_EVERY = 60_000;
const USES = ["pointermove", "pointerdown", "keydown", "wheel", "touchstart"];

let shown = 0;
let ahead = 0; // of the server's clock
let ended = false;

function show(state) {
  if (ended || state.number < shown) return; // an answer overtook the stream
  shown = state.number;
  ahead = Date.now() - Date.parse(state.now);
  showTrouble(state.trouble);
  if (state.trouble) return;
  showSwitch(state);
  showActions(state);
  showCards(state);
  byId("board").hidden = !state.board;
  document.title = `${state.waiting ? `(${state.waiting}) ` : ""}${state.stopped ? "Stopped - " : ""}Operator`;
}

function showTrouble(trouble = "") {
  write(byId("trouble"), trouble && `The store cannot be used, so what is below may be old: ${trouble}`);
  byId("trouble").hidden = !trouble;
}

function showLive(isLive, text) {
  byId("live").dataset.live = isLive ? "yes" : "no";
  write(byId("live"), text);
}

function end({ why }) {
  ended = true;
  forgetKey();
  document.title = "Signed out - Operator";
  const again = element("a", { class: "primary", href: "/operator", text: "How to sign in" });
  const command = element("code", { text: "telnyx-conferencing stop" });
  const stop = element("p", { class: "fine" }, "To stop every write without this page: ", command);
  const title = element("h1", { text: why, tabindex: -1 });
  const said = element("main", { class: "small", role: "alert" }, title, element("p", {}, again), stop);
  byId("bar").remove();
  byId("announcement").replaceChildren();
  byId("main").replaceWith(said);
  title.focus();
}

async function signOut() {
  await post("sign-out").catch(() => {});
  if (!ended) end({ why: "You signed out." });
}

// Somebody who only watches and moves the pointer is using the page, and must not be signed out for being idle.
function watchForUse() {
  let told = Date.now();
  const used = () => {
    if (ended || Date.now() < told + PRESENT_EVERY) return;
    told = Date.now();
    post("present").catch(() => {});
  };
  for (const use of USES) addEventListener(use, used, { passive: true });
}

showDecisionsTo(show);
showPressesTo(show);
byId("sign-out").addEventListener("click", signOut);
watchForUse();
setInterval(() => tick(Date.now() - ahead), 250);
follow({
  state(state) {
    showLive(true, "Live");
    show(state);
  },
  lost: (text) => showLive(false, text),
  ended: (content) => !ended && end(content),
});
