/** What a report says of its pins: who is A, who is B, what differs, and which examples changed hands. */

import { card, isText, words } from "./changed.js";
import { h } from "./dom.js";

const EACH = 12;

/** Asks for the examples that either side alone does right; null without a pin, words where there are none to be had. */
export async function changedHands(about, call) {
  if (!about.pins.length) return null;
  const order = { draft: about.draft, pin: about.pins[0], second: about.pins[1] ?? null };
  const ask = (changed) => call("compare", { ...order, changed: { count: EACH, ...changed } });
  try {
    const first = await ask({});
    const other = await ask({ task: first.task, kind: first.kind === "a" ? "b" : "a" });
    return { found: [first, other].sort((a, b) => (a.kind < b.kind ? -1 : 1)) };
  } catch (error) {
    if (!error.card) throw error; // stopped
    return { why: `${error.card.why} ${error.card.todo}`.trim() };
  }
}

/** The lines on top: the merges that the charts compare. */
export function comparedWith({ pins, line }) {
  if (!pins.length) return [];
  const [a, b = `this merge, ${line}`] = pins;
  return [h("p", {}, `Compared with the pin. A: ${a}. B: ${b}.`)];
}

/** The part after the charts of the Compare tab. */
export function compared(report, hands, rows) {
  if (!report.differences) return [];
  return [h("div", { class: "compared" }, h("h3", {}, "What differs from A to B"), ...rows(report.differences, "From A to B"), ...examples(hands))];
}

function examples(hands) {
  if (!hands) return [];
  if (hands.why) return [h("h3", {}, "Which examples changed hands?"), h("p", { class: "muted" }, hands.why)];
  const [first] = hands.found;
  const sides = isText(first) ? { a: "A needs fewer bits", b: "B needs fewer bits" } : { a: "A right, B wrong", b: "B right, A wrong" };
  return [h("h3", {}, isText(first) ? "Which passages changed?" : "Which examples changed hands?"), h("p", { class: "muted" }, words(first)),
    ...hands.found.flatMap(({ kind, total, examples: shown }) => [
      h("h4", {}, `${sides[kind]}: ${shown.length} of ${total.toLocaleString("en-GB")}`), h("ul", { class: "examples" }, shown.map(card))])];
}
