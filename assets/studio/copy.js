/** Copies a text, says on the button that it did, and shows the text where a browser forbids it. */

import { button, h } from "./dom.js";

const SECONDS = 1.5;
let dialog = null;

/** Copies `text`; `node` is the button that was pressed. */
export async function copy(text, node) {
  const before = node.dataset.label ??= node.textContent;
  try {
    await navigator.clipboard.writeText(text);
    node.textContent = "Copied";
    setTimeout(() => { node.textContent = before; }, SECONDS * 1000);
  } catch {
    offer(text);
  }
}

/** A page without a secure address may not write to the clipboard: people copy by hand. */
function offer(text) {
  const field = h("textarea", { class: "ms-yaml", rows: 6, readonly: true, "aria-label": "Text to copy" });
  field.value = text;
  dialog?.remove();
  dialog = h("dialog", { class: "ms-dialog", "aria-label": "Copy by hand" },
    h("p", {}, "This browser lets no page copy here. Press Ctrl+C (⌘C on a Mac)."), field,
    button("Close", () => dialog.close()));
  document.body.append(dialog);
  dialog.showModal();
  field.select();
}

/** Hands a text to the browser as a file. */
export function save(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
