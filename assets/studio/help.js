/** The help: keys, what the marks mean, where numbers come from, and the tour. */

import { button, h } from "./dom.js";
import { progress, startTour } from "./tour.js";
import { helpEntry } from "./tour_offer.js";

const KEYS = [
  ["1 – 8", "show one expert alone; again: all of them"],
  ["p", "pin this merge to compare with it; again: let it go"],
  ["z, Ctrl+z", "undo"], ["Shift+z", "redo"],
  ["← →", "move the slider that has the focus"],
  ["← ↑ → ↓", "walk over the cells of a map that has the focus; Enter opens one"],
  ["Tab", "go on to the next control or chart"], ["Esc", "close this help, or skip the tour"], ["t", "to the card of the tour"], ["?", "open this help"],
];
const MARKS = [
  ["dashed", "Dashed or hatched, “preview”", "estimated: the last full score plus the change on a small fixed subset"],
  ["solid", "Solid, “measured”", "computed on the whole validation split, or on all weights"],
  ["interval", "Whisker", "95% interval: a repeat with other examples would mostly land inside"],
  ["conflict", "Orange", "conflict: experts pull the same weights in opposite directions; it means nothing else"],
  ["pin", "Grey bar behind a bar", "the pinned merge"],
  ["diamond", "Diamond, line", "the task’s own expert, and the base"],
  ["beyond", "Arrow in a cell", "above or below what chance gives"],
];
const SOURCES = [
  "Scores are of the merged model itself, on the validation split; each says on how many examples (n). Test data are left for the end.",
  "“No difference seen” means that the paired interval of a change holds zero.",
  "Normalised: a task’s score as a share of its own expert’s best, on the same task and split.",
  "Chance turns signs or positions around at random on the experts’ own magnitudes; it is no formula.",
  "Of large models geometry is estimated from a sample, and says so.",
  "Every chart has a table, and a “Why?” with its formula.",
];
let dialog = null;
let tour = null;

/** Opens the help; Esc, its button and a click beside it close it, and the focus goes back. */
export function openHelp() {
  dialog ??= document.body.appendChild(build());
  tour.replaceChildren(...helpEntry(progress(), () => { dialog.close(); startTour(); }));
  dialog.showModal();
  dialog.scrollTop = 0;
}

function build() {
  tour = h("div", {});
  const part = (title, ...inside) => [h("h3", {}, title), ...inside];
  const made = h("dialog", { class: "ms-dialog ms-help-card", "aria-labelledby": "ms-help-title", onkeydown: trap,
    onclick: (e) => { if (e.target === made) made.close(); } },
  h("div", { class: "ms-help-card__inside" },
    h("h2", { id: "ms-help-title" }, "Help"),
    ...part("Guided tour", tour),
    ...part("Keys", h("dl", {}, KEYS.flatMap(([key, words]) => [h("dt", {}, h("kbd", { class: "ms-kbd" }, key)), h("dd", {}, words)]))),
    ...part("What the marks mean", h("dl", {}, MARKS.flatMap(([kind, name, words]) => [
      h("dt", {}, h("span", { class: `ms-swatch ms-swatch--${kind}`, "aria-hidden": "true" })), h("dd", {}, h("b", {}, name), `: ${words}.`)]))),
    ...part("Where numbers come from", h("ul", {}, SOURCES.map((words) => h("li", {}, words)))),
    button("Close", () => made.close(), { autofocus: true })));
  return made;
}

/** Keeps Tab inside: a browser would go on to its own buttons. */
function trap(event) {
  if (event.key !== "Tab") return;
  const stops = [...event.currentTarget.querySelectorAll("button, a[href], input, textarea")];
  const at = stops.indexOf(document.activeElement) + (event.shiftKey ? -1 : 1);
  stops.at(at % stops.length)?.focus();
  event.preventDefault();
}
