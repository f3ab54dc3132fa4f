/** The method picker: grouped by family, a sentence each, and what each needs. */

import { edit, on, state, tell } from "./conversation.js";
import { h } from "./dom.js";

let place = null;
const remembered = {};

export function mountMethod(node) {
  place = node;
  on("rebuild", build);
}

export const methodOf = (name) => state.config.methods.find((m) => m.name === name);

function build() {
  const groups = new Map();
  for (const method of state.config.methods.filter((m) => m.stage === "merge")) {
    groups.set(method.family, [...(groups.get(method.family) ?? []), method]);
  }
  const current = methodOf(state.draft.method);
  const list = [...groups].map(([family, methods]) => h("fieldset", { class: "ms-method__group" },
    h("legend", {}, family), methods.map(card)));
  const summary = h("summary", {}, h("strong", { class: "ms-method__title" }, current?.title ?? state.draft.method),
    h("span", { class: "ms-method__text" }, current?.summary ?? ""));
  const open = place.querySelector("details")?.open ?? false;
  const details = h("details", { class: "ms-method", open }, summary, h("div", { class: "ms-method__list" }, list));
  const paper = current?.paper && h("p", { class: "ms-note" }, `Source: ${current.paper}`);
  place.replaceChildren(...[details, paper].filter(Boolean));
}

function card(method) {
  const reason = unavailable(method);
  return h("label", { class: `ms-method__card${reason ? " ms-row--disabled" : ""}` },
    h("input", { type: "radio", name: "ms-method", value: method.name, disabled: Boolean(reason),
      checked: method.name === state.draft.method, onchange: () => choose(method) }),
    h("span", { class: "ms-method__title" }, method.title),
    h("span", { class: "ms-method__text" }, method.summary),
    h("span", { class: "ms-method__needs" }, reason || needs(method)));
}

function needs(method) {
  const words = [...method.needs];
  const [low, high] = method.experts ?? [1, null];
  if (high === low) words.push(`${low} expert${low === 1 ? "" : "s"}`);
  else if (low > 1) words.push(`${low} or more experts`);
  return words.length ? `needs ${words.join(", ")}` : "";
}

function unavailable(method) {
  const family = state.config.families.find((f) => f.id === state.draft.family);
  if (method.needs.includes("base") && !family.has_base) {
    return "needs a base: none of these models is named as the base of the others";
  }
  const other = method.needs.filter((need) => need !== "base");
  return other.length ? `needs ${other.join(", ")}, and none is chosen` : "";
}

function choose(method) {
  remembered[state.draft.method] = state.draft.params;
  edit((draft) => {
    draft.method = method.name;
    draft.params = remembered[method.name] ?? {};
  });
  tell("rebuild");
  place.querySelector(`input[value="${CSS.escape(method.name)}"]`)?.focus();
}
