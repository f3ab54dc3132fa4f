/** The two sides of the Compare tab: pins A and B, or pin A and the merge on this page. */

import { load, on, setPins, state } from "./conversation.js";
import { button, h } from "./dom.js";

let place = null;

export function mountCompare(node) {
  place = h("section", { class: "ms-panel ms-compare", "aria-label": "What is compared" });
  node.replaceChildren(place);
  on("answer", show);
  on("pin", show);
  show();
}

/** Puts a recipe on side 0 (A) or 1 (B); B needs an A. */
export function pinAs(side, text, line = "", digest = "") {
  const pins = [...state.pins];
  pins[Math.min(side, pins.length)] = { text, line, digest };
  return setPins(pins);
}

const clear = (side) => setPins(state.pins.filter((_, i) => i !== side));
const swap = () => setPins([state.pins[1], state.pins[0], ...state.pins.slice(2)]);
const here = (side) => pinAs(side, state.text, state.line, state.digest);

function show() {
  if (!state.draft) return;
  const sides = state.pins.length ? state.sides : null;
  const chart = document.querySelector("[data-panel=compare]")?.closest(".ms-cell");
  if (chart) chart.style.display = state.pins.length ? "" : "none"; // nothing to draw yet
  const focus = place.contains(document.activeElement) ? document.activeElement.id : null;
  place.replaceChildren(
    h("h2", { class: "ms-panel__title" }, "What is compared"),
    h("div", { class: "ms-compare__sides" }, side(0, sides?.a), side(1, sides?.b)),
    h("div", { class: "ms-compare__foot" },
      h("p", { class: "ms-panel__caption", id: "ms-compare-said" }, said(sides)),
      button("Swap A and B", swap, { id: "ms-compare-swap", disabled: state.pins.length < 2,
        title: state.pins.length < 2 ? "Pin B first: then the two can be swapped" : "A becomes B, B becomes A" })),
    sides?.differences.length ? table(sides.differences) : "");
  if (focus) document.getElementById(focus)?.focus();
}

function said(sides) {
  if (!state.pins.length) return "Nothing is pinned. Set A to the merge on this page, then change something: B follows, live.";
  if (!sides) return "";
  if (sides.a?.why || sides.b?.why) return "A pin belongs to other models than those on this page.";
  const n = sides.differences.length;
  return n ? `The two recipes differ in ${n} thing${n === 1 ? "" : "s"}.` : "The two recipes are the same.";
}

function side(index, found) {
  const name = "AB"[index];
  const pinned = index < state.pins.length;
  const live = index === 1 && !pinned;
  const words = found?.why || found?.words || (pinned ? state.pins[index].line : live ? state.line : "Nothing yet.");
  const tag = pinned ? "pinned" : live ? "live: the merge on this page" : "";
  return h("div", { class: "ms-compare__side", role: "group", "aria-label": `Merge ${name}` },
    h("h3", { class: "ms-compare__name" }, name, tag && h("span", { class: "ms-tag" }, tag)),
    h("p", { class: "ms-compare__words" }, words),
    h("div", { class: "ms-buttons" },
      button(`Set ${name} to this merge`, () => here(index), { id: `ms-compare-set-${name}`, disabled: index > state.pins.length,
        title: `Pin the merge on this page as ${name}` }),
      pinned && button("Go there", () => load(state.pins[index].text), { id: `ms-compare-go-${name}`, title: `Set the sliders to ${name}` }),
      pinned && button("Clear", () => clear(index), { id: `ms-compare-clear-${name}`, class: "ms-btn ms-btn--quiet", "aria-label": `Clear ${name}` })));
}

function table(rows) {
  const head = ["What differs", "A", "B"].map((text) => h("th", { scope: "col" }, text));
  return h("div", { class: "ms-compare__scroll" }, h("table", { class: "ms-compare__table" },
    h("caption", { class: "ms-sr" }, "Differences of the two recipes"),
    h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, rows.map(([what, a, b]) => h("tr", {}, h("th", { scope: "row" }, what), h("td", {}, a), h("td", {}, b))))));
}
