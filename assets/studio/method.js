/** The method picker: grouped by family, a sentence each, and what each needs. */

import { edit, on, state, tell } from "./conversation.js";
import { h } from "./dom.js";

let place = null;
let byPointer = false; // a list that was opened with the mouse closes on a choice; arrow keys walk on
const remembered = {};

export function mountMethod(node) {
  place = node;
  on("rebuild", build);
  on("answer", showNotices);
}

export const methodOf = (name) => state.config.methods.find((m) => m.name === name);

function build() {
  const groups = new Map();
  for (const method of state.config.methods.filter((m) => m.stage === "merge")) {
    groups.set(method.family, [...(groups.get(method.family) ?? []), method]);
  }
  const current = methodOf(state.draft.method);
  const list = [...groups].map(([family, methods]) => h("div", { class: "ms-method__group", role: "radiogroup", "aria-label": family },
    h("div", { class: "ms-method__family" }, family), methods.map(card)));
  const summary = h("summary", {}, h("span", { class: "ms-method__name" }, current?.title ?? state.draft.method),
    h("span", { class: "ms-method__summary" }, current?.summary ?? ""));
  const open = place.querySelector("details")?.open ?? false;
  const search = h("input", { type: "search", class: "ms-method__search", placeholder: "Find a method", "aria-label": "Find a method",
    oninput: (e) => filter(e.target.value) });
  const paper = current?.paper && h("p", { class: "ms-help ms-method__source" }, `Source: ${current.paper}`);
  place.replaceChildren(h("details", { class: "ms-method", open, onkeydown: walk, ontoggle: reveal }, summary, search, ...list, paper),
    h("ul", { class: "ms-method__notices", "aria-label": "Worth knowing", hidden: true }));
  showNotices();
}

/** What is valid in the settings but surely not meant. */
function showNotices() {
  const said = state.notes.notices ?? [];
  const node = place.querySelector(".ms-method__notices");
  if (!node) return;
  node.replaceChildren(...said.map((words) => h("li", {}, words)));
  node.hidden = !said.length;
}

let scrolled = null; // where the sidebar stood before the list was opened

/** Brings the opened list to the top of the sidebar, and the sidebar back when it closes. */
function reveal() {
  const details = place.querySelector("details");
  const scroller = [".ms-sidebar__body", ".ms-sidebar"].map((name) => details.closest(name))
    .find((node) => node && getComputedStyle(node).overflowY === "auto");
  if (!scroller) return;
  if (!details.open) {
    if (scrolled !== null) scroller.scrollTop = scrolled;
    scrolled = null;
  } else if (scrolled === null) {
    scrolled = scroller.scrollTop;
    const head = scroller.querySelector(":scope > .ms-sidebar__head")?.offsetHeight ?? 0;
    scroller.scrollTop += details.getBoundingClientRect().top - scroller.getBoundingClientRect().top - head;
  }
}

/** Shows the methods that hold every word, somewhere in what is said of them. */
function filter(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const group of place.querySelectorAll(".ms-method__group")) {
    const options = [...group.querySelectorAll(".ms-method__option")];
    for (const option of options) {
      const said = `${methodOf(option.querySelector("input").value).search} ${option.textContent.toLowerCase()}`;
      option.hidden = !words.every((word) => said.includes(word));
    }
    group.hidden = options.every((option) => option.hidden);
  }
}

function walk(event) {
  byPointer = false;
  if (event.target.type === "search" && event.key === "Enter") {
    place.querySelector(".ms-method__group:not([hidden]) .ms-method__option:not([hidden]) input:enabled")?.focus();
    event.preventDefault();
    return;
  }
  if (event.target.tagName !== "INPUT" || !["Enter", "Escape"].includes(event.key)) return;
  event.preventDefault();
  close();
}

function close() {
  const details = place.querySelector("details");
  details.open = false;
  details.querySelector("summary").focus();
}

function card(method) {
  const reason = unavailable(method);
  return h("label", { class: "ms-method__option", onpointerdown: () => { byPointer = true; },
    onclick: () => { if (byPointer && method.name === state.draft.method) close(); } },
    h("input", { type: "radio", name: "ms-method", value: method.name, disabled: Boolean(reason),
      checked: method.name === state.draft.method, onchange: () => choose(method) }),
    h("span", { class: "ms-method__name" }, method.title),
    h("span", { class: "ms-method__summary" }, method.summary),
    (reason || needs(method)) && h("span", { class: "ms-method__needs" }, reason || needs(method)));
}

function needs(method) {
  const words = [...method.needs];
  const [low, high] = method.experts ?? [1, null];
  if (high === low) words.push(`${low} expert${low === 1 ? "" : "s"}`);
  else if (low > 1) words.push(`${low} or more experts`);
  return words.map((word) => (word === "base" ? "a base" : word)).join(", ");
}

function unavailable(method) {
  const family = state.config.families.find((f) => f.id === state.draft.family);
  if (method.needs.includes("base") && !family.has_base) {
    return "a base, and none of these models is named as the base of the others";
  }
  const other = method.needs.filter((need) => need !== "base");
  return other.length ? `${other.join(", ")}, and none is chosen` : "";
}

function choose(method) {
  remembered[state.draft.method] = state.draft.params;
  edit((draft) => {
    draft.method = method.name;
    draft.params = remembered[method.name] ?? {};
  });
  tell("rebuild");
  if (byPointer) close();
  else place.querySelector(`input[value="${CSS.escape(method.name)}"]`)?.focus();
}
