/** Examples that changed hands from A to B, with what base, expert, A and B answer. */

import { ask, on, state } from "./conversation.js";
import { button, h, percent, visitor } from "./dom.js";

const A_PAGE = 12;
const asked = { task: null, kind: null, count: A_PAGE }; // null: where most changed hands
let place = null;
let turn = 0;

export function mountChanged(node) {
  place = h("section", { class: "ms-panel ms-changed", "aria-label": "Examples that changed hands" });
  node.replaceChildren(place);
  on("answer", ({ settled }) => {
    if (settled) refresh();
    else place.classList.add("ms-changed--stale");
  });
  on("pin", () => { if (!state.pins.length) show(null); });
  refresh();
}

const isShown = () => Boolean(place?.parentElement?.offsetParent); // itself it hides while nothing is pinned

/** Asks which examples changed hands, once both merges are measured. */
async function refresh(change = {}) {
  Object.assign(asked, change);
  if (!isShown() || !state.draft || !state.idle) return;
  if (!state.pins.length) {
    show(null);
    return;
  }
  const mine = ++turn;
  const found = await ask("compare", { draft: state.draft, visitor: visitor(), changed: asked,
    pin: state.pins[0].text, second: state.pins[1]?.text ?? null });
  if (mine === turn) show(found);
}

function show(found) {
  place.classList.remove("ms-changed--stale");
  place.hidden = !found;
  if (!found) return;
  const focus = place.contains(document.activeElement) ? document.activeElement.id : null;
  const title = h("h2", { class: "ms-panel__title" }, found.metric === "bits_per_byte" ? "Which passages changed?" : "Which examples changed hands?");
  if (found.error) {
    place.replaceChildren(title, h("p", { class: "ms-empty" }, `${found.error.why} ${found.error.todo}`.trim()));
    return;
  }
  place.replaceChildren(title, controls(found), h("p", { class: "ms-panel__caption", role: "status" }, words(found)),
    found.examples.length ? h("ul", { class: `ms-changed__list${found.examples[0].picture ? "" : " ms-changed__list--text"}` }, found.examples.map(card)) : h("p", { class: "ms-empty" }, "None of these."),
    more(found));
  if (focus) document.getElementById(focus)?.focus();
}

export const isText = (found) => found.metric === "bits_per_byte";
const taskOf = (found) => found.tasks.find((task) => task.name === found.task);

function controls(found) {
  const select = h("select", { id: "ms-changed-task", onchange: (e) => refresh({ task: e.target.value, count: A_PAGE }) },
    found.tasks.map((task) => h("option", { value: task.name, selected: task.name === found.task },
      `${task.title} (${task.only_a} to A, ${task.only_b} to B)`)));
  const mine = taskOf(found);
  const kinds = isText(found) ? { a: ["A needs fewer bits", mine.only_a], b: ["B needs fewer bits", mine.only_b] }
    : { a: ["A right, B wrong", mine.only_a], b: ["B right, A wrong", mine.only_b] };
  return h("div", { class: "ms-changed__row" },
    h("label", { class: "ms-changed__field" }, "Task", select),
    h("div", { class: "ms-buttons", role: "group", "aria-label": "Which ones" }, Object.entries(kinds).map(([kind, [label, n]]) =>
      button(`${label} (${n.toLocaleString("en-GB")})`, () => refresh({ kind, count: A_PAGE }),
        { id: `ms-changed-${kind}`, "aria-pressed": String(found.kind === kind) }))));
}

/** What was found, in one or two sentences. */
export function words(found) {
  const { title, n, only_a: a, only_b: b } = taskOf(found);
  const all = `of ${n.toLocaleString("en-GB")} of ${found.split}`;
  if (isText(found)) return `${title}: A needs fewer bits per byte on ${a} passages, B on ${b}, ${all}. Largest difference first.`;
  return `${title}: only A is right on ${a} examples, only B on ${b}, ${all}; the other ${(n - a - b).toLocaleString("en-GB")} did not change hands.`;
}

/** One example with the answers of all that were asked. */
export function card(example) {
  const about = example.picture
    ? [h("img", { class: "ms-example__picture", src: example.picture, alt: `Image ${example.number}, ${example.label}`, width: 56, height: 56 }),
      h("p", { class: "ms-example__label" }, "true label", h("b", {}, example.label), `image ${example.number}`)]
    : [h("p", { class: "ms-example__label" }, example.label && "true label", example.label && h("b", {}, example.label), `passage ${example.number}`),
      h("p", { class: "ms-example__passage", tabindex: "0", role: "group", "aria-label": `Passage ${example.number}` }, example.passage)];
  const rows = example.answers.map(({ who, words: said, right, value }) => h("tr", { "data-side": who === "A" || who === "B" ? who : null },
    h("th", { scope: "row" }, who),
    h("td", {}, right === null ? "" : `${said} ${right ? "✓" : "✗"}`, right !== null && h("span", { class: "ms-sr" }, right ? " right" : " wrong")),
    h("td", { class: "ms-num", title: right === null ? "bits per byte" : "how likely the model held it" }, right === null ? `${said} bits/byte` : percent(value))));
  return h("li", { class: "ms-example" }, about,
    h("table", { class: "ms-example__answers" }, h("caption", { class: "ms-sr" }, "Answers"), h("tbody", {}, rows)));
}

function more(found) {
  const shown = found.examples.length;
  const most = Math.min(found.total, found.most);
  if (shown >= most) return shown < found.total ? h("p", { class: "ms-help" }, `The first ${shown} of ${found.total}.`) : "";
  return button(`Show more (${shown} of ${found.total})`, () => refresh({ count: shown + A_PAGE }), { id: "ms-changed-more" });
}
