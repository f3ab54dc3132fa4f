/** The card of the tour: what a stop is about, what is seen there, and the way on. It blocks nothing. */

import { button, h } from "./dom.js";
import { outlinedControl } from "./spotlight.js";

let parts = null;
let ways = {};

const press = (name) => () => ways[name]?.();

function build() {
  const where = h("p", { class: "ms-tour__where" });
  const title = h("h2", { class: "ms-tour__title", id: "ms-tour-title" });
  const words = h("p", { class: "ms-tour__words", id: "ms-tour-words" });
  const todo = h("p", { class: "ms-tour__todo" });
  const said = h("div", { "aria-live": "polite" }, where, title, words, todo);
  const made = (name, label, more = "") => button(label, press(name), { id: `ms-tour-${name}`, class: `ms-btn ${more}` });
  const back = made("back", "Back");
  const next = made("next", "Next", "ms-btn--primary");
  const skip = made("skip", "Skip", "ms-btn--quiet");
  const home = made("home", "Back to my recipe", "ms-btn--primary");
  const stay = made("stay", "Keep this one");
  const keys = h("p", { class: "ms-tour__keys" }, h("kbd", { class: "ms-kbd" }, "Tab"), " from the last button: to what is outlined · ",
    h("kbd", { class: "ms-kbd" }, "t"), ": back here · ", h("kbd", { class: "ms-kbd" }, "Esc"), ": skip");
  const card = h("section", { class: "ms-tour", id: "ms-tour", role: "dialog", "aria-modal": "false", "aria-labelledby": "ms-tour-title",
    tabindex: "-1", onkeydown: onward }, said, h("div", { class: "ms-buttons" }, back, next, skip, home, stay), keys);
  return { card, where, title, words, todo, back, next, skip, home, stay };
}

/** Shows a stop; the card takes the focus when it opens, later the focus stays where it is. */
export function showCard({ stop, number, of, minutes, words = "Measuring…", ...given }) {
  const fresh = !parts;
  parts ??= build();
  ways = given;
  parts.where.textContent = `Step ${number} of ${of} · about ${minutes} min left`;
  parts.title.textContent = stop.title;
  parts.todo.textContent = stop.todo;
  say(words);
  const last = !given.next;
  parts.back.disabled = !given.back;
  for (const name of ["next", "skip"]) parts[name].hidden = last;
  for (const name of ["home", "stay"]) parts[name].hidden = !last;
  if (fresh) document.body.append(parts.card);
  document.body.classList.add("ms-touring");
  if (fresh || !parts.card.contains(document.activeElement) || document.activeElement.hidden || document.activeElement.disabled) focusCard();
  return parts.card;
}

/** Says what is measured; the card may grow with it, and the page leaves room below for it. */
export function say(words) {
  if (!parts) return;
  if (parts.words.textContent !== words) parts.words.textContent = words;
  document.body.style.setProperty("--ms-tour-height", `${parts.card.offsetHeight}px`);
}

/** Moves the focus to the card; says whether there is one. */
export function focusCard() {
  parts?.card.focus({ preventScroll: true });
  return Boolean(parts);
}

export function closeCard() {
  parts?.card.remove();
  parts = null;
  document.body.classList.remove("ms-touring");
}

const buttons = () => [...parts.card.querySelectorAll("button")].filter((node) => !node.hidden && !node.disabled);

/** From the last button on, Tab goes to what the card speaks of. */
function onward(event) {
  if (event.key !== "Tab" || event.shiftKey || document.activeElement !== buttons().at(-1)) return;
  const control = outlinedControl();
  if (!control) return;
  control.focus();
  event.preventDefault();
}

/** And Shift+Tab comes back from there. */
document.addEventListener("keydown", (event) => {
  if (!parts || event.key !== "Tab" || !event.shiftKey || event.target !== outlinedControl()) return;
  buttons().at(-1).focus();
  event.preventDefault();
});
