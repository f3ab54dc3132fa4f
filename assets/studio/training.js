/**
 * Above the training curves: one step slider for all experts, one for each, and the measuring.
 *
 * Steps are part of the draft; the server's job measures the curve that belongs to its settings.
 */

import { ask, edit, notice, on, send, state } from "./conversation.js";
import { button, h, visitor } from "./dom.js";
import { activeRows, colourOf } from "./experts.js";
import { FINISHED, follow } from "./follow.js";

let place = null;
let sliders = null;
let card = null;
let following = null;
let asked = 0;

export function mountTraining(node) {
  sliders = h("div", { class: "ms-steps", role: "group", "aria-label": "Training steps" });
  card = h("div", { class: "ms-steps__job", role: "status" });
  place = h("section", { class: "ms-panel ms-training", "aria-label": "Training steps and curve" }, sliders, card);
  node.replaceChildren(place);
  on("rebuild", build);
  on("draft", show);
  on("answer", ({ settled }) => { show(); if (settled && isSeen()) look(); });
  document.addEventListener("ms:click", ({ detail }) => {
    if (detail.panel === "training" && detail.customdata?.[1]) go(detail.customdata[1], detail.customdata[0]);
  });
  build();
  look();
}

const isSeen = () => place.offsetParent !== null;
const offered = (name) => state.config.families.find((f) => f.id === state.draft.family).experts.find((e) => e.name === name);
const stepsOf = (row) => offered(row.name)?.steps ?? [];
const current = (row) => row.step ?? offered(row.name)?.final ?? null;
const labelOf = (row) => row.alias || row.name;

/** The checkpoint at which an expert stands when training stops at a step: the last not later. */
const notLater = (steps, step) => steps.filter((s) => s <= step).at(-1) ?? steps[0];

/** All steps at which something changes; where an expert has nothing that early, the later one. */
function together() {
  const rows = activeRows().map(stepsOf).filter((steps) => steps.length);
  const found = new Map();
  for (const step of [...new Set(rows.flat())].sort((a, b) => a - b)) {
    found.set(rows.map((steps) => notLater(steps, step)).join(), step);
  }
  return [...found.values()];
}

/** Sends all experts to a step, or the one that is named. */
function go(step, name = "") {
  edit((draft) => {
    for (const row of activeRows(draft)) {
      const steps = stepsOf(row);
      if (steps.length && (!name || labelOf(row) === name)) row.step = notLater(steps, step);
    }
  });
}

function stepSlider({ id, label, colour, steps, at, choose }) {
  const value = h("output", { class: "ms-steps__value", for: id });
  const track = h("input", { type: "range", id, class: "ms-knob__track", min: 0, step: 1, "aria-label": label,
    oninput: (e) => choose(steps()[Number(e.target.value)]) });
  const row = h("div", { class: "ms-steps__row", colour }, h("label", { class: "ms-steps__label", for: id },
    colour && h("span", { class: "ms-chip__dot", "aria-hidden": "true" }), label), track, value);
  row.show = () => {
    const known = steps();
    const [index, words] = at(known);
    track.max = Math.max(1, known.length - 1);
    track.disabled = known.length < 2;
    track.value = index;
    track.style.setProperty("--from", -1);
    track.style.setProperty("--to", index / Math.max(1, known.length - 1));
    track.setAttribute("aria-valuetext", `step ${words}`);
    value.textContent = words;
  };
  return row;
}

function build() {
  if (!state.draft) return;
  const rows = state.draft.experts;
  const all = stepSlider({ id: "ms-step-all", label: "All experts", steps: together, choose: (step) => go(step), at: (known) => {
    const live = activeRows().filter((row) => stepsOf(row).length);
    const same = known.findIndex((step) => live.every((row) => current(row) === notLater(stepsOf(row), step)));
    if (same >= 0) return [same, String(known[same])];
    const last = Math.max(0, ...live.map(current).filter(Number.isFinite));
    return [Math.max(0, known.findLastIndex((step) => step <= last)), live.some((row) => current(row) === null) ? "final" : "mixed"];
  } });
  all.classList.add("ms-steps__row--all");
  const each = rows.map((row, index) => {
    const mine = () => stepsOf(state.draft.experts[index]);
    const node = stepSlider({ id: `ms-step-${index}`, label: labelOf(row), colour: colourOf(row.name), steps: mine,
      choose: (step) => edit((draft) => { draft.experts[index].step = step; }), at: (known) => {
        const step = current(state.draft.experts[index]);
        return step === null ? [Math.max(0, known.length - 1), "final"] : [Math.max(0, known.indexOf(step)), String(step)];
      } });
    node.dataset.index = index;
    return node;
  });
  sliders.replaceChildren(all, ...each);
  show();
}

function show() {
  if (!state.draft || !sliders.children.length) return;
  const active = new Set(activeRows());
  const some = [...active].some((row) => stepsOf(row).length);
  sliders.hidden = !some;
  for (const node of sliders.children) {
    const row = state.draft.experts[node.dataset.index];
    if (node.dataset.index !== undefined) node.hidden = !row || !active.has(row) || !stepsOf(row).length;
    if (!node.hidden) node.show();
  }
}

const order = (more = {}) => ({ draft: state.draft, visitor: visitor(), ...more });

/** Asks how far the curve of these settings is measured, and follows the job that measures it. */
async function look() {
  if (!state.draft) return;
  const mine = ++asked;
  const answer = await ask("train", order());
  if (mine !== asked) return;
  if (answer.error) {
    place.hidden = sliders.hidden;
    card.replaceChildren();
    following = null;
  } else if (answer.job) {
    place.hidden = false;
    if (following !== answer.job.id) watch(answer.job.id);
  } else {
    place.hidden = false;
    following = null;
    offer(answer.measured);
  }
}

function offer(measured, said = "") {
  const words = { no: "Measure the curve", part: "Measure the rest of the curve" }[measured];
  const about = measured === "whole" ? "The curve of these settings is measured."
    : "Merges and scores at every step, in the background; own scores are measured once for all settings.";
  card.replaceChildren(...[words && button(words, begin, { class: "ms-btn ms-btn--primary", id: "ms-train" }),
    h("p", { class: "ms-help" }, said || about)].filter(Boolean));
}

async function begin() {
  const mine = ++asked;
  const answer = await ask("train", order({ start: true }));
  if (answer.error) notice(answer.error);
  else if (mine === asked) watch(answer.job.id);
}

/** Shows a job until it ends; each step that is measured is drawn as it comes. */
async function watch(id) {
  following = id;
  let step = null;
  await follow(id, async (job) => {
    if (following !== id) return;
    if (!job || FINISHED.has(job.state)) {
      following = null;
      if (isSeen()) await send();
      offer(job?.state === "DONE" ? "whole" : "part", job?.detail);
      return;
    }
    progress(job);
    const now = /step \d+/.exec(job.version)?.[0] ?? step;
    if (step !== null && now !== step && isSeen()) send();
    step = now;
  });
}

function progress(job) {
  const bar = h("progress", { class: "ms-job__bar", max: Math.max(1, job.total), value: job.done, "aria-label": "Curve: progress" });
  card.replaceChildren(bar, h("p", { class: "ms-help" }, `${job.words} · ${job.detail}`),
    button("Cancel", () => ask("cancel", { id: job.id, visitor: visitor() }), { id: "ms-train-cancel", class: "ms-btn ms-btn--danger" }));
}
