/** Keys: 1–8 solo, p pin, z undo, Shift+Z redo, ? help; none while a field has the focus. */

import { redo, state, togglePin, undo } from "./conversation.js";
import { button, h } from "./dom.js";
import { solo } from "./experts.js";

const HELP = [
  ["1 – 8", "show one expert alone; again: all of them"],
  ["p", "pin this merge to compare with it; again: let it go"],
  ["z", "undo"], ["Shift + z", "redo"], ["← →", "move the slider that has the focus"],
  ["← ↑ → ↓", "walk over the cells of a map that has the focus; Enter opens one"], ["?", "this help"],
];
let dialog = null;

export function mountKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || !state.draft) return;
    if (/^[1-8]$/.test(event.key)) {
      const row = state.draft.experts[Number(event.key) - 1];
      if (row) solo(row.name);
    } else if (event.key === "p") togglePin();
    else if (event.key === "z") undo();
    else if (event.key === "Z") redo();
    else if (event.key === "?") toggleHelp();
    else return;
    event.preventDefault();
  });
}

function typing(node) {
  if (node.isContentEditable || node.tagName === "TEXTAREA" || node.tagName === "SELECT") return true;
  return node.tagName === "INPUT" && !["range", "checkbox", "radio", "button"].includes(node.type);
}

export function toggleHelp() {
  if (!dialog) {
    dialog = h("dialog", { class: "ms-dialog", "aria-labelledby": "ms-help-title" },
      h("h2", { id: "ms-help-title" }, "Keys"),
      h("dl", {}, HELP.flatMap(([key, words]) => [h("dt", {}, h("kbd", { class: "ms-kbd" }, key)), h("dd", {}, words)])),
      h("p", { class: "ms-help" }, "Dashed and marked “preview” is estimated on a part of the images; solid and marked “measured” is the full validation split."),
      button("Close", () => dialog.close(), { autofocus: true }));
    document.body.append(dialog);
  }
  if (dialog.open) dialog.close();
  else dialog.showModal();
}
