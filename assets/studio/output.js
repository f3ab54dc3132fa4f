/** What a real merge writes: a model, or a LoRA adapter of some rank; and what that rank lost. */

import { on, state, tell } from "./conversation.js";
import { h } from "./dom.js";
import { methodOf } from "./method.js";

const USUAL = 16; // where full models give no hint

let rank = null; // null: a model
let nodes = null;
let checked = false;

const family = () => state.config.families.find((one) => one.id === state.draft.family);
const isPerTask = () => methodOf(state.draft.method)?.output === "per_task";

/** The experts in use, as the family offers them. */
function used() {
  const names = new Set(state.draft.experts.filter((row) => (state.draft.solo ? row.name === state.draft.solo : row.on)).map((row) => row.name));
  return family().experts.filter((expert) => names.has(expert.name));
}

/** Why no adapter can be written; "" when one can. */
function obstacle() {
  if (!family().has_base) return "An adapter needs a base, and none is chosen.";
  if (isPerTask()) return `${methodOf(state.draft.method).title} gives one model per expert, and an adapter holds one.`;
  return "";
}

/** The rank of the adapter to write; null for a model. */
export const adapterRank = () => (rank && state.draft && !obstacle() ? rank : null);

/** Whether the model is tested when it is written; an adapter is no whole model. */
export const isChecked = () => checked && adapterRank() === null;

export function onOutput(fn) {
  for (const event of ["output", "answer"]) on(event, fn);
}

function choose(value) {
  rank = value;
  tell("output");
}

/** The card of the recipe tab; `card(title, caption, ...inside)` makes it. */
export function outputCard(card) {
  const choice = (id, words, value) => {
    const input = h("input", { type: "radio", name: "ms-output", id, onchange: () => choose(value()) });
    return { input, label: h("label", { class: "ms-output__choice", for: id }, input, words) };
  };
  const highest = () => Math.max(...used().map((expert) => expert.rank ?? USUAL));
  const model = choice("ms-output-model", "A full model", () => null);
  const adapter = choice("ms-output-adapter", "A LoRA adapter", highest);
  const number = h("input", { type: "number", class: "ms-knob__number", id: "ms-output-rank", min: 1, max: 4096, step: 1,
    "aria-label": "Rank of the adapter", onchange: (e) => {
      const value = Math.round(Number(e.target.value));
      choose(value >= 1 && value <= 4096 ? value : rank);
    } });
  const about = h("p", { class: "ms-panel__caption", id: "ms-output-about", role: "status" });
  const check = h("input", { type: "checkbox", id: "ms-output-check", onchange: (e) => { checked = e.target.checked; } });
  nodes = { model: model.input, adapter: adapter.input, number, about, check };
  onOutput(show);
  const node = card("What to write", "“Merge for real” in the sidebar writes this, in the background.",
    h("div", { class: "ms-output", role: "radiogroup", "aria-label": "What to write" }, model.label, adapter.label,
      h("label", { class: "ms-output__rank", for: "ms-output-rank" }, "rank", number)), about,
    h("label", { class: "ms-output ms-output__check", for: "ms-output-check" },
      check, "Test the model when it is written: load it, ask it something, compare the size of every tensor with its base"));
  show();
  return node;
}

function show() {
  if (!nodes || !state.draft) return;
  const why = obstacle();
  const now = adapterRank();
  nodes.model.checked = now === null;
  nodes.adapter.checked = now !== null;
  nodes.adapter.disabled = Boolean(why);
  nodes.number.disabled = now === null;
  nodes.check.disabled = now !== null;
  if (document.activeElement !== nodes.number) nodes.number.value = now ?? "";
  nodes.about.textContent = now ? aboutAdapter(now) : [aboutModel(), why && `No adapter: ${why}`].filter(Boolean).join(" ");
}

function aboutModel() {
  const names = used().map((expert) => expert.name);
  return isPerTask()
    ? `One folder for each expert's model, ${names.length} in all: ${names.join(", ")}.`
    : "One folder that transformers loads: weights, configuration, tokenizer, recipe and model card.";
}

function aboutAdapter(now) {
  const ranks = used().map((expert) => expert.rank);
  const all = ranks.reduce((sum, one) => sum + one, 0);
  const limit = ranks.every(Boolean)
    ? `The experts have at most ${all} together: from there on methods that only add up lose nothing.`
    : "Full models change norms, biases and embeddings too, which are stored whole; a parameter of its own, such as a class token, no adapter can hold, and the merge says so.";
  return `The ${now} strongest direction${now === 1 ? "" : "s"} of each matrix's change. ${limit} What is lost is measured, and shown when the merge is done.`;
}

/** What an adapter lost, as parts of a job's card. */
export function loss(adapter) {
  if (!adapter) return [];
  return [h("p", { class: "ms-job__text ms-job__loss" }, adapter.words),
    table(`Each of ${adapter.rows.length} matrices`, "What each matrix lost", ["matrix", "rank", "lost"], adapter.rows),
    table("How much so many directions hold", "Share of the change's energy", ["directions", "energy"], adapter.curve)];
}

/** What the tests of the written models found, as parts of a job's card. */
export function found(checks) {
  return checks.flatMap((check) => [
    h("p", { class: `ms-job__text ms-job__check${check.well ? "" : " ms-job__check--bad"}` }, check.words),
    check.rows.length ? table(`Size against ${check.against}, by layer`, "Size of each layer against its base", ["part", "times as long"], check.rows) : null,
  ]).filter(Boolean);
}

function table(title, label, heads, rows) {
  const cells = (row, tag, more) => h("tr", {}, row.map((cell, i) => h(tag, { ...more, class: i ? "ms-num" : null }, cell)));
  return h("details", { class: "ms-job__each" }, h("summary", {}, title),
    h("div", { class: "ms-panel__table", tabindex: "0", role: "region", "aria-label": label },
      h("table", {}, h("thead", {}, cells(heads, "th", { scope: "col" })), h("tbody", {}, rows.map((row) => cells(row, "td", {}))))));
}
