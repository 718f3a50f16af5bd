// Building the page. Whatever a caller, an agent or a person wrote becomes text, never markup.

/** An element with these properties (`text`, or any attribute) and children; those that are null are left out. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "text") made.textContent = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Change a text only if it differs, so that screen readers do not say it again. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A moment as the viewer's locale writes it: the time today, and the day with it otherwise. */
export function when(iso) {
  const moment = new Date(iso);
  const today = moment.toDateString() === new Date().toDateString();
  return (today ? TIME : DAY_AND_TIME).format(moment);
}

/** A `<time>` element of a moment. */
export function timeOf(iso) {
  const title = DAY_AND_TIME.format(new Date(iso));
  return element("time", { datetime: iso, title, text: when(iso) });
}

/** Say something to screen readers, when they are done with what they say. */
export function announce(text) {
  const said = element("p", { text });
  byId("announcement").append(said);
  setTimeout(() => said.remove(), 10_000);
}
