/** What the doctor says of the models that are picked: asked when they change, never by a slider. */

import { ask, edit, on, state } from "./conversation.js";
import { button, h } from "./dom.js";

const WORDS = { union: "the words of all models", base: "the base's words" };
let node = null;
let known = ""; // which models and method the card is about, and whether they were in trouble then
let asked = 0;

export function mountCheckup(place) {
  node = h("details", { class: "ms-checkup", id: "ms-checkup", hidden: true });
  place.replaceChildren(node);
  on("answer", () => refresh("fine"));
  on("error", () => refresh("error"));
}

/** All that the doctor looks at; coefficients and settings are none of it. */
function subject({ family, method, experts, kept }) {
  const rows = experts.filter((row) => row.on).map((row) => [row.name, row.step]);
  return JSON.stringify([family, method, rows, kept?.tokenizer, kept?.out_dtype, kept?.before]);
}

async function refresh(trouble) {
  const key = `${subject(state.draft)} ${trouble}`;
  if (key === known) return;
  known = key;
  const mine = ++asked;
  const answer = await ask("checkup", { draft: state.draft });
  if (mine !== asked) return;
  if (answer.checkup) show(answer.checkup);
  else {
    node.hidden = true; // the card of the error says what is wrong with the recipe
    known = "";
  }
}

function show(found) {
  node.hidden = false;
  // Nothing can be merged before somebody chooses: the choice is shown unasked, once.
  if (found.words === "differ" && node.dataset.words !== "differ") node.open = true;
  node.dataset.words = found.words;
  node.dataset.state = found.state;
  node.replaceChildren(
    h("summary", {}, h("span", { class: "ms-checkup__verdict", role: "status" }, found.verdict), costs(found.cost)),
    ...words(found.words),
    ...problems(found.problems),
    h("dl", { class: "ms-checkup__models" }, found.models.flatMap(({ name, words: said }) => [h("dt", {}, name), h("dd", {}, said)])),
    h("p", { class: "ms-help", id: "ms-checkup-licence" }, found.licence),
    found.basis ? h("p", { class: "ms-help", id: "ms-checkup-basis" }, found.basis) : "");
}

/** Marked as estimates: what is measured stands in the tiles. */
export function costs(cost) {
  if (!cost.length) return null;
  return h("span", { class: "ms-checkup__cost" }, "Estimated: ",
    cost.flatMap(({ name, value }, i) => [h("span", {}, `${value} ${name}${i < cost.length - 1 ? " ·" : ""}`), " "]));
}

export function problems(found) {
  if (!found.length) return [];
  return [h("ul", { class: "ms-checkup__problems" }, found.map(({ severity, where, what, todo }) =>
    h("li", { "data-severity": severity }, h("p", {}, where && h("b", {}, `${where}: `), what), todo && h("p", { class: "ms-help" }, todo))))];
}

/** Which words the result has is the visitor's choice; each is one step that can be undone. */
function words(how) {
  const now = state.draft.kept?.tokenizer?.source;
  if (how === "same") return [];
  const choose = (source) => () => edit((draft) => {
    const { tokenizer, ...rest } = draft.kept ?? {};
    const { source: _, ...others } = tokenizer ?? {};
    const said = source ? { ...others, source } : others;
    draft.kept = Object.keys(said).length ? { ...rest, tokenizer: said } : rest;
  });
  const one = (source, label) => button(label, choose(source), { id: `ms-words-${source}`, "aria-pressed": String(now === source) });
  const about = how === "chosen" ? `The result has ${WORDS[now] ?? `the words of ${now}`}.`
    : "The models' words differ: choose which ones the result has.";
  return [h("div", { class: "ms-checkup__words", role: "group", "aria-label": "Words of the result" }, h("p", {}, about),
    h("div", { class: "ms-buttons" }, one("union", "All words"), one("base", "The base's"),
      how === "chosen" ? button("As they are", choose(""), { id: "ms-words-none" }) : null))];
}
