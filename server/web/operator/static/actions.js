// What was done last, newest first.

import { byId, element, timeOf } from "./elements.js";

// How an outcome looks, by what it says; the first that fits.
const TONES = [
  [/^unknown|^failed|^invalid/, "bad", "!"],
  [/^refused|^declined|^rejected|stopped/, "no", "✕"],
  [/^pending|^sends|^asks|^begun/, "open", "…"],
  [/./, "good", "✓"],
];

const rows = new Map();

/** Show the actions of a state; a row that says the same stays as it is. */
export function showActions({ actions }) {
  const body = byId("actions");
  const keys = new Set(actions.map((action) => action.key));
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    row.element.remove();
    rows.delete(key);
  }
  let place = body.firstElementChild;
  for (const action of actions) {
    const row = rowOf(action);
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  byId("no-actions").hidden = actions.length > 0;
}

function rowOf(action) {
  const text = JSON.stringify(action);
  const known = rows.get(action.key);
  if (known?.text === text) return known.element;
  const made = element("tr", { role: "row" }, whenOf(action), whatOf(action), resultOf(action), whoOf(action));
  known?.element.remove();
  rows.set(action.key, { text, element: made });
  return made;
}

// Lines of a cell, without those that have nothing to say.
function cell(label, ...lines) {
  return element("td", { role: "cell", "data-label": label }, ...lines);
}

const line = (text) => (text ? element("span", { class: "line", text }) : null);

function whenOf({ at, ms }) {
  return cell("When", timeOf(at), line(ms === undefined ? "" : took(ms)));
}

const took = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);

function whatOf({ does, tool, risk, code }) {
  const title = does ? does[0].toUpperCase() + does.slice(1) : (tool ?? "—");
  const named = [does ? tool : "", risk, code].filter(Boolean).join(" · ");
  return cell("What", element("span", { text: title }), line(named));
}

function resultOf({ outcome = "—", why, reason }) {
  const [, tone, sign] = TONES.find(([pattern]) => pattern.test(outcome));
  const shown = element("span", { class: "outcome", "data-tone": tone });
  shown.append(element("span", { "aria-hidden": "true", text: `${sign} ` }), outcome);
  return cell("Result", shown, line(why), line(reason && `“${reason}”`));
}

function whoOf({ client, by, asked = {} }) {
  const who = element("span", { text: client ?? by ?? "—" });
  return cell("Who", who, line(client && by), line(answerOf(asked)), waitsOf(asked));
}

function answerOf({ answer, by, reason }) {
  if (!answer) return "";
  return `asked: ${answer}${by ? `, by ${by}` : ""}${reason ? `: “${reason}”` : ""}`;
}

function waitsOf({ answer, code }) {
  if (answer || !code) return null;
  return element("span", { class: "line" }, "waits as ", element("span", { class: "whole", text: code }));
}
