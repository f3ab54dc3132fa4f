/** What a real merge writes: a model, or a LoRA adapter of some rank; and what that rank lost. */

import { still } from "../viz/still.js";
import { look, on, state, tell } from "./conversation.js";
import { h } from "./dom.js";
import { methodOf } from "./method.js";
import { sliderRow } from "./slider.js";

const USUAL = 16; // where full models give no hint, as in viz/adapters.py
const TRACK = 128; // larger ranks are typed
const MOST = 4096;

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

/** The expert whose own change the adapter holds; "" for the merge. */
export const adapterOf = () => (adapterRank() !== null && used().some((one) => called(one) === state.view.of) ? state.view.of : "");

/** What an expert is called in the recipe. */
const called = (expert) => state.draft.experts.find((row) => row.name === expert.name)?.alias || expert.name;

/** Whether the model is tested when it is written; an adapter is no whole model. */
export const isChecked = () => checked && adapterRank() === null;

export function onOutput(fn) {
  for (const event of ["output", "answer"]) on(event, fn);
}

/** Chooses a rank, or a model with null; the curve below follows. */
function choose(value) {
  rank = value;
  tell("output");
  if (value !== null && state.view.rank !== value) look((view) => { view.rank = value; });
}

function chooseOf(name) {
  look((view) => { view.of = name; });
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
  const number = sliderRow({ id: "ms-output-rank", label: "rank of the adapter", low: 1, high: TRACK, step: 1,
    help: "How many directions of each matrix's change are kept: the chart below shows what they hold.",
    get: adapterRank, set: (value) => {
      const whole = Math.round(value);
      choose(whole >= 1 && whole <= MOST ? whole : rank);
    } });
  const of = h("select", { id: "ms-output-of", class: "ms-knob__number", onchange: (e) => chooseOf(e.target.value) });
  const whose = h("label", { class: "ms-output__of", for: "ms-output-of" }, "of", of);
  const about = h("p", { class: "ms-panel__caption", id: "ms-output-about", role: "status" });
  const check = h("input", { type: "checkbox", id: "ms-output-check", onchange: (e) => { checked = e.target.checked; } });
  nodes = { model: model.input, adapter: adapter.input, number, of, whose, about, check };
  onOutput(show);
  const node = card("What to write", "“Merge for real” in the sidebar writes this, in the background.",
    h("div", { class: "ms-output", role: "radiogroup", "aria-label": "What to write" }, model.label, adapter.label, whose), number, about,
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
  nodes.of.disabled = now === null;
  nodes.of.replaceChildren(h("option", { value: "" }, "the merge"),
    ...used().map((expert) => h("option", { value: called(expert) }, `${called(expert)} alone`)));
  nodes.of.value = adapterOf();
  nodes.check.disabled = now !== null;
  nodes.number.show();
  nodes.number.hidden = nodes.whose.hidden = now === null;
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
  const whose = adapterOf() ? `what ${adapterOf()} changed of its base, with coefficient 1` : "the merge's change";
  return `The ${now} strongest direction${now === 1 ? "" : "s"} of each matrix of ${whose}. ${limit} What is kept is shown below, and beside the adapter.`;
}

/** What an adapter lost, as parts of a job's card. */
export function loss(adapter) {
  themed.clear();
  if (!adapter) return [];
  return [h("p", { class: "ms-job__text ms-job__loss" }, adapter.words), ...chart(adapter.figure),
    table(`Each of ${adapter.rows.length} matrices`, "What each matrix lost", ["matrix", "rank", "lost"], adapter.rows),
    table("How much so many directions hold", "Share of the change's energy", ["directions", "energy"], adapter.curve)].filter(Boolean);
}

const NARROWEST = 240; // pixels

/** A place that a figure is drawn into as soon as its width is known, and again for another theme. */
function chart(figure) {
  if (!figure) return [];
  const place = h("div", { class: "ms-job__chart" });
  let shown = "";
  const draw = async () => {
    const wanted = `${Math.max(NARROWEST, place.clientWidth)} ${document.body.className}`;
    if (!place.isConnected || !place.clientWidth || wanted === shown) return;
    shown = wanted;
    place.replaceChildren(await still(figure, null, parseInt(wanted, 10)));
  };
  new ResizeObserver(draw).observe(place);
  themed.add(draw);
  return [place, h("p", { class: "ms-job__text" }, "Bold: all matrices. Thin: each kind of module. Faint: each layer.")];
}

const themed = new Set(); // charts of the last job's card
new MutationObserver(() => themed.forEach((draw) => draw())).observe(document.body, { attributes: true, attributeFilter: ["class"] });

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
