/** What the method and the verbs that follow can be told, a row for each setting. */

import { edit, on, state } from "./conversation.js";
import { withDepth } from "./depth.js";
import { h } from "./dom.js";
import { methodOf } from "./method.js";
import { sliderRow } from "./slider.js";

let knobPlace = null;
let afterPlace = null;

export function mountKnobs(knobs, after) {
  [knobPlace, afterPlace] = [knobs, after];
  on("rebuild", build);
  on("draft", show);
  on("answer", show);
}

function show() {
  for (const node of document.querySelectorAll(".ms-sidebar .ms-knob")) node.show?.();
}

function build() {
  const method = methodOf(state.draft.method);
  knobPlace.replaceChildren(...(method?.params ?? []).map((param) => knob(method, param,
    () => state.draft.params, (change) => edit((draft) => change(draft.params)))));
  knobPlace.closest(".ms-section").hidden = !method?.params.length;
  buildAfter();
  show();
}

function knob(method, param, get, change) {
  const id = `ms-knob-${method.name}-${param.name}`;
  const label = param.name.replaceAll("_", " ");
  const value = () => (get()[param.name] === undefined ? effective(method, param, get()) : get()[param.name]);
  const write = (v) => change((params) => {
    if (v === param.default && params.dialect === undefined) delete params[param.name];
    else params[param.name] = v;
  });
  if (param.choices?.length) {
    return field(id, label, param.help, h("select", { id: `${id}-track`, class: "ms-knob__number", onchange: (e) => write(e.target.value) },
      param.choices.map((choice) => h("option", { value: choice }, choice))), (node) => { node.value = value(); });
  }
  if (param.type === "bool") {
    return field(id, label, param.help, h("input", { type: "checkbox", id: `${id}-track`, onchange: (e) => write(e.target.checked) }),
      (node) => { node.checked = Boolean(value()); });
  }
  const [low, high] = param.slider ?? [param.low ?? -1, param.high ?? 2];
  const start = typeof param.default === "number" ? param.default : (low + high) / 2;
  const auto = param.none && h("label", { class: "ms-knob__auto" },
    h("input", { type: "checkbox", onchange: (e) => write(e.target.checked ? null : start) }), param.none);
  const whole = param.type === "int";
  const track = { id, label, low, high, step: param.step ?? (whole ? 1 : 0.01), get: value, set: write };
  const row = sliderRow({ ...track, symbol: param.symbol, help: param.help, extra: auto || null });
  const plain = row.show;
  row.show = () => {
    plain();
    if (auto) auto.querySelector("input").checked = value() === null;
  };
  return withDepth(row, { ...track, whole, bounds: [param.low, param.high] });
}

/** The value a knob has when the draft says nothing: its default under the chosen dialect. */
function effective(method, param, params) {
  const dialect = params.dialect ?? method.params.find((p) => p.name === "dialect")?.default;
  const set = method.dialects?.[dialect] ?? {};
  return param.name in set ? set[param.name] : param.default;
}

function field(id, label, help, control, showControl) {
  const row = h("div", { class: "ms-knob", id, title: help || null },
    h("label", { class: "ms-knob__label", for: `${id}-track` }, label), control);
  row.show = () => showControl(control);
  row.show();
  return row;
}

function buildAfter() {
  const verbs = state.config.methods.filter((m) => m.stage === "after");
  const nameOf = (step) => (typeof step === "string" ? step : Object.keys(step)[0]);
  const find = (draft, verb) => draft.after.findIndex((step) => nameOf(step) === verb);
  const family = state.config.families.find((f) => f.id === state.draft.family);
  afterPlace.replaceChildren(...verbs.flatMap((verb) => {
    const on = find(state.draft, verb.name) >= 0;
    const toggle = h("label", { class: "ms-knob__auto", title: verb.summary },
      h("input", { type: "checkbox", id: `ms-verb-${verb.name}`, checked: on, disabled: !family.has_base,
        onchange: (e) => {
          edit((draft) => {
            const at = find(draft, verb.name);
            if (e.target.checked && at < 0) draft.after.push({ [verb.name]: {} });
            if (!e.target.checked && at >= 0) draft.after.splice(at, 1);
          });
          buildAfter();
        } }), h("span", {}, `${verb.title}: ${verb.summary}`));
    if (!on) return [toggle];
    const params = (draft) => {
      const at = find(draft, verb.name);
      if (typeof draft.after[at] === "string") draft.after[at] = { [verb.name]: {} };
      return draft.after[at]?.[verb.name] ?? {};
    };
    return [toggle, ...verb.params.map((param) => knob(verb, param, () => params(state.draft),
      (change) => edit((draft) => change(params(draft)))))];
  }));
}
