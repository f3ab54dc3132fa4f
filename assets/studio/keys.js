/** Keys: 1–8 solo, p pin, z undo, Shift+Z redo, t tour, ? help; none while a field has the focus. */

import { state, togglePin } from "./conversation.js";
import { solo } from "./experts.js";
import { openHelp } from "./help.js";
import { redo, undo } from "./journey.js";
import { focusCard } from "./tour_card.js";

/** Keys work outside fields and dialogs. */
export function mountKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || typing(event.target) || !state.draft || document.querySelector("dialog[open]")) return;
    const key = event.ctrlKey || event.metaKey ? `Ctrl+${event.key}` : event.key;
    if (/^[1-8]$/.test(key)) {
      const row = state.draft.experts[Number(key) - 1];
      if (row) solo(row.name);
    } else if (key === "p") togglePin();
    else if (key === "z" || key === "Ctrl+z") undo();
    else if (key === "Z" || key === "Ctrl+Z" || key === "Ctrl+y") redo();
    else if (key === "?") openHelp();
    else if (key !== "t" || !focusCard()) return;
    event.preventDefault();
  });
}

function typing(node) {
  if (node.isContentEditable || node.tagName === "TEXTAREA" || node.tagName === "SELECT") return true;
  return node.tagName === "INPUT" && !["range", "checkbox", "radio", "button"].includes(node.type);
}
