// The questions that wait, oldest first: a new one comes in below, so that nothing moves under a hand about to press.

import { Card } from "./card.js";
import { announce, byId, write } from "./elements.js";

const SETTLING = 700; // milliseconds after a card came or went in which a press may be meant for another
const STAYS = 6000; // milliseconds that a decided card says what was decided
const STAYS_UNDER_POINTER = 20_000;

const list = byId("cards");
const cards = new Map();
let settled = 0;
let decided = () => {};

/** `whenDecided` is called with the state after a decision. */
export function showDecisionsTo(whenDecided) {
  decided = whenDecided;
}

function settle() {
  settled = performance.now() + SETTLING;
  list.removeAttribute("data-armed");
  setTimeout(() => {
    if (isArmed()) list.toggleAttribute("data-armed", true);
  }, SETTLING + 20);
}

const isArmed = () => performance.now() >= settled;

/** Show the questions of a state. */
export function showCards(state) {
  const waiting = new Set(state.pending.map((approval) => approval.code));
  for (const approval of state.pending) if (!cards.has(approval.code)) add(approval);
  for (const [code, card] of cards) {
    if (card.isOpen && !card.busy && !waiting.has(code)) card.close(...fate(card.approval, state));
    if (!card.isOpen && !card.goes) goLater(card);
  }
  const unseen = state.waiting - state.pending.length;
  write(byId("more"), unseen > 0 ? `${unseen} more wait behind these.` : "");
  byId("more").hidden = unseen <= 0;
  showWhetherEmpty();
  tick(Date.parse(state.now));
}

/** Count down to the server's `now`, in milliseconds. */
export function tick(now) {
  for (const card of cards.values()) card.tick(now);
}

function add(approval) {
  const card = new Card(approval, { decided: (state) => decided(state), isArmed });
  cards.set(approval.code, card);
  list.append(card.element);
  settle();
  announce(`A new question, ${approval.risk}: ${approval.question}`);
}

/** What became of a question that was not decided here. */
function fate(approval, state) {
  const isDecision = ({ key, code, by }) => code === approval.code && by && !key.startsWith("call");
  const told = state.actions.find(isDecision);
  if (told) {
    const outcome = told.outcome.startsWith("approved") ? "approved" : "rejected";
    return [outcome, `${outcome === "approved" ? "Approved" : "Rejected"} elsewhere, by ${told.by}.`];
  }
  if (Date.parse(state.now) >= Date.parse(approval.expires_at)) return ["gone", "Expired: nobody answered in time."];
  return ["gone", "Answered elsewhere."];
}

function goLater(card) {
  card.goes = true;
  const latest = performance.now() + STAYS_UNDER_POINTER;
  const go = () => {
    if (list.matches(":hover") && performance.now() < latest) setTimeout(go, 500);
    else remove(card);
  };
  setTimeout(go, STAYS);
}

function remove(card) {
  const held = card.element.contains(document.activeElement);
  card.element.remove();
  cards.delete(card.approval.code);
  settle();
  showWhetherEmpty();
  if (held) byId("waiting-title").focus({ preventScroll: true });
}

function showWhetherEmpty() {
  byId("nothing").hidden = cards.size > 0;
}
