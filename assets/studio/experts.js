/** The experts: which take part, at which step, how much each counts, one alone or all together. */

import { edit, on, replaceDraft, state, takePins } from "./conversation.js";
import { withDepth } from "./depth.js";
import { h, percent } from "./dom.js";
import { methodOf } from "./method.js";
import { grip, showPlace, watchKeys } from "./order.js";
import { sliderRow } from "./slider.js";

let place = null;

export function mountExperts(node) {
  place = node;
  on("rebuild", build);
  on("draft", show);
  on("answer", show);
  watchKeys(node);
  for (const event of ["pointerover", "focusin"]) {
    // A finger that has left the screen points at nothing.
    node.addEventListener(event, (e) => { if (e.pointerType !== "touch") point(nameAt(e.target)); });
  }
  for (const event of ["pointerleave", "focusout"]) node.addEventListener(event, () => point([]));
  document.addEventListener("ms:shine", ({ detail }) => {
    for (const card of place.querySelectorAll(".ms-chip")) {
      card.classList.toggle("ms-chip--lit", detail.experts.includes(card.dataset.as));
    }
  });
}

const nameAt = (target) => [target.closest?.(".ms-chip")?.dataset.as].filter(Boolean);

/** An expert that is pointed at here is marked in the charts. */
function point(experts) {
  document.dispatchEvent(new CustomEvent("ms:point", { detail: { subject: experts.length ? { experts } : null } }));
}

const family = () => state.config.families.find((f) => f.id === state.draft.family);
const offered = (name) => family().experts.find((e) => e.name === name);

export function activeRows(draft = state.draft) {
  const solo = draft.experts.find((row) => row.name === draft.solo);
  return solo ? [solo] : draft.experts.filter((row) => row.on);
}

/** Shows one expert alone; asked again, all of them come back. */
export function solo(name) {
  edit((draft) => { draft.solo = draft.solo === name ? null : name; });
}

export function colourOf(name) {
  return family().colours[family().experts.findIndex((e) => e.name === name)];
}

function build() {
  const { families } = state.config;
  const parts = [];
  const heads = families.filter((f) => f.group === f.id);
  if (heads.length > 1) {
    parts.push(choice("ms-family", "Models", heads.map((f) => [f.id, f.title]), family().group));
  }
  const readings = families.filter((f) => f.group === family().group);
  if (readings.length > 1) {
    parts.push(choice("ms-base", "Base", readings.map((f) => [f.id, f.base_name || "none of these"]), family().id));
  }
  parts.push(h("div", { class: "ms-chips", role: "group", "aria-label": "Experts" },
    state.draft.experts.map((row, index) => chip(row, index))));
  parts.push(h("p", { class: "ms-help", id: "ms-order", hidden: true }));
  const note = methodOf(state.draft.method)?.weights_note;
  const left = family().refused.map(({ name, why }) => `${name} is left out: ${why}`);
  for (const about of [note, family().note, family().missing, ...left]) {
    if (about) parts.push(h("p", { class: "ms-help" }, about));
  }
  place.replaceChildren(...parts);
  show();
}

/** A menu that changes the family: other models, or another reading of the same ones. */
function choice(id, label, options, current) {
  return h("label", { class: "ms-knob" }, h("span", { class: "ms-knob__label" }, label),
    h("select", { id, class: "ms-knob__number", onchange: (e) => changeFamily(e.target.value) },
      options.map(([value, words]) => h("option", { value, selected: value === current }, words))));
}

function chip(row, index) {
  const { name } = row;
  const { steps = [], final = null } = offered(name) ?? {};
  const toggle = h("button", { type: "button", class: "ms-chip__toggle", "data-expert": name,
    onclick: () => edit((draft) => {
      const mine = draft.experts[index];
      mine.on = !mine.on;
      if (draft.solo === name) draft.solo = null;
    }) },
  h("span", { class: "ms-chip__dot", "aria-hidden": "true" }),
  h("span", { class: "ms-chip__name" }, name));
  const step = steps.length + (final === null) > 1 && h("select", { class: "ms-chip__step", "aria-label": `${name}: training step`,
    onchange: (e) => edit((draft) => { draft.experts[index].step = e.target.value ? Number(e.target.value) : null; }) },
  steps.map((s) => h("option", { value: s }, String(s))), final === null && h("option", { value: "" }, "final"));
  const alone = h("button", { type: "button", class: "ms-chip__solo", "aria-label": `Solo ${name}`,
    title: `Only ${name} (key ${index + 1})`, onclick: () => solo(name) }, "solo");
  return h("div", { class: "ms-chip", colour: colourOf(name), "data-as": row.alias || name, "data-name": name },
    ...grip(name), toggle, step, h("span", { class: "ms-chip__score" }), alone, coefficient(row, index));
}

/** How much an expert counts; disabled, with the reason, where the method gives all the same say. */
function coefficient({ name }, index) {
  const reason = methodOf(state.draft.method)?.weights_note;
  const track = { id: `ms-weight-${index}`, label: `${name}: coefficient`, low: -1, high: 2, step: 0.01,
    get: () => state.draft.experts[index].weight,
    set: (value) => edit((draft) => { draft.experts[index].weight = value; }) };
  const node = sliderRow({ ...track, kind: "row", neutral: 1,
    help: reason || `Multiplies the task vector of ${name}. 1 (the mark; double click) leaves it as it is.` });
  if (reason) {
    node.classList.add("ms-row--disabled");
    node.show = () => {};
    for (const input of node.querySelectorAll("input")) input.disabled = true;
    return node;
  }
  return withDepth(node, { ...track, key: `weight of ${name}`, bounds: [null, null] });
}

function show() {
  const nodes = place.querySelectorAll(".ms-chip");
  const { used = null, order = "" } = state.notes;
  const words = place.querySelector("#ms-order");
  words.textContent = order;
  words.hidden = !order;
  state.draft.experts.forEach((row, index) => {
    const node = nodes[index];
    if (!node) return;
    const { steps, scores, final } = offered(row.name) ?? { steps: [], scores: [] };
    const at = Math.max(0, steps.indexOf(row.step ?? final));
    const active = state.draft.solo ? state.draft.solo === row.name : row.on;
    const idle = active && used && !used.includes(row.alias || row.name);
    showPlace(node, row.name, order && active && used ? used.indexOf(row.alias || row.name) + 1 : 0, used?.length);
    node.classList.toggle("ms-chip--off", !active);
    node.classList.toggle("ms-chip--solo", state.draft.solo === row.name);
    node.classList.toggle("ms-chip--unused", Boolean(idle));
    node.querySelector(".ms-chip__toggle").setAttribute("aria-pressed", String(Boolean(row.on)));
    node.querySelector(".ms-chip__solo").setAttribute("aria-pressed", String(state.draft.solo === row.name));
    const score = scores[at];
    const own = score ? `${percent(score[0])}` : "";
    const label = node.querySelector(".ms-chip__score");
    if (label.textContent !== own) label.textContent = own;
    const slider = node.querySelector(".ms-row");
    if (slider) {
      slider.hidden = !active || Boolean(idle);
      slider.show();
    }
    node.querySelector(".ms-chip__toggle").title = idle
      ? "Not used: this method takes fewer experts, the first ones that are on."
      : score ? `Own task: ${own} on validation, n ${score[1]}.` : row.name;
    const select = node.querySelector("select");
    if (select) select.value = String(row.step ?? final ?? "");
  });
}

/** Shows other models, as they are first offered. */
export function changeFamily(id) {
  takePins({}); // those of other models cannot be compared with
  state.reference = null;
  replaceDraft(structuredClone(state.config.families.find((f) => f.id === id).first));
}
