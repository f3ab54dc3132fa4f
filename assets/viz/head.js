/** The words of a card: its title, what to see in it, how to read it, how sure it is. */

import { renderTable } from "./table.js";
import { badge } from "./tools.js";
import { el, say } from "./text.js";

/** Writes the words of a figure into its card. */
export function renderHead(panel) {
  const { root, figure: { meta } } = panel;
  const title = root.querySelector(".ms-panel__title");
  if (meta.title) say(title, meta.title);
  if (meta.caption) renderCaption(root.querySelector(".ms-panel__caption"), meta);
  panel.div.setAttribute("aria-label", [title.textContent, meta.alt].filter(Boolean).join(". "));
  badge(root.querySelector(".ms-panel__badge"), meta);
  root.classList.toggle("ms-panel--estimated", meta.kind === "estimated");
  root.classList.toggle("ms-panel--clickable", Boolean(meta.clickable));
  root.classList.remove("ms-panel--error");
  if (meta.wide !== undefined) root.closest(".ms-cell")?.classList.toggle("ms-wide", meta.wide);
  renderTable(panel);
  keepRoom(panel);
}

/** What to see comes first and stands out; how to read the chart follows. */
function renderCaption(node, { look = "", caption }) {
  if (node.children.length !== 2) {
    node.replaceChildren(el("span", "ms-panel__look"), el("span", "ms-panel__read"));
  }
  say(node.firstChild, look);
  node.firstChild.hidden = !look;
  say(node.lastChild, caption);
}

/** A caption with live numbers keeps the most lines it had, so that no chart jumps in a drag. */
function keepRoom(panel) {
  const caption = panel.root.querySelector(".ms-panel__caption");
  const { clientWidth: width } = caption;
  if (width !== panel.captionWidth) {
    caption.style.minHeight = "";
    Object.assign(panel, { captionWidth: width, captionRoom: 0 });
  }
  if (caption.offsetHeight > panel.captionRoom) {
    panel.captionRoom = caption.offsetHeight;
    caption.style.minHeight = `${panel.captionRoom}px`;
  }
}
