/**
 * The Try it tab: what is tried, and the answers of every model.
 *
 * What is tried lives in `state.tried` of this page alone: it goes out with each move of a slider,
 * so that the merge on screen answers too, and is in no link, no report and no file.
 */

import { on, refresh, send, state } from "./conversation.js";
import { h } from "./dom.js";
import { mountCanvas } from "./try_canvas.js";
import { showCards } from "./try_cards.js";
import { mountPictures } from "./try_picture.js";
import { mountText } from "./try_text.js";

let place = null;
let parts = null;
let built = "";
let asking = false;
let again = false;

export function mountTry(node) {
  const said = h("p", { class: "ms-try__words", role: "status", id: "ms-try-words" });
  const error = h("div", { class: "ms-try__error", id: "ms-try-error" });
  const input = h("div", { class: "ms-try__input" });
  const cards = h("ul", { class: "ms-try__cards", "aria-label": "Answers of every model" });
  place = h("section", { class: "ms-panel ms-try", "aria-label": "Try it" },
    h("h2", { class: "ms-panel__title" }, "Try it"),
    h("div", { class: "ms-try__sides" }, input, h("div", { class: "ms-try__answers" }, said, error, cards)),
    h("p", { class: "ms-help" }, "What you draw, upload or type is answered in memory and stored nowhere; links and reports do not hold it."));
  node.replaceChildren(place);
  parts = { said, error, input, cards };
  on("replies", show);
  on("rebuild", () => { if (state.replies?.kind === "none") state.tried = null; });
  show();
}

/** Tries something else; while an answer is on its way only the newest waits. */
export async function attempt(tried) {
  state.tried = tried;
  state.turn += 1;
  place.classList.add("ms-try--stale");
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  do {
    again = false;
    // A move that is on its way took along what was tried before: the next one takes this.
    await (state.moving ? send() : refresh("attempt"));
  } while (again);
  asking = false;
}

function show() {
  const { replies } = state;
  if (!replies || !parts) return;
  if (state.answered === state.turn) place.classList.remove("ms-try--stale");
  const kind = JSON.stringify([replies.kind, replies.tasks]);
  if (kind !== built) {
    built = kind;
    build(replies);
  }
  parts.show?.(replies);
  showCards(parts, replies);
}

function build(replies) {
  parts.show = null;
  parts.input.replaceChildren();
  if (replies.kind === "text") {
    parts.show = mountText(parts.input, replies, attempt);
  } else if (replies.kind === "image") {
    const pictures = mountPictures(place, replies, attempt);
    const canvas = mountCanvas(replies, attempt, pictures.forget);
    parts.input.append(canvas.node, pictures.node);
    parts.show = (now) => { canvas.show(now); pictures.show(now); };
  }
}
