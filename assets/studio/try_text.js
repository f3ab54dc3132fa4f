/** A text of one's own, passages of the texts at hand, and how models go on with it. */

import { ask, on, request, state } from "./conversation.js";
import { button, h } from "./dom.js";

const WAIT_MS = 200; // between two keys
const LONGEST = 2000;

/** Builds the field and its buttons; answers to "go on" are shown on the cards. */
export function mountText(place, replies, attempt) {
  let timer = 0;
  const field = h("textarea", { id: "ms-try-text", class: "ms-try__text", rows: "5", maxlength: LONGEST, spellcheck: "false",
    oninput: () => { clearTimeout(timer); timer = setTimeout(() => typed(), WAIT_MS); } });
  const count = h("span", { class: "ms-help" });
  const task = h("select", { id: "ms-try-task", onchange: () => passage(0) }, replies.tasks.map(({ name, title }) => h("option", { value: name }, title)));
  const another = button("Another passage", () => passage((state.replies?.asked?.number ?? -1) + 1), { id: "ms-try-another", title: "A passage of the validation half of this text" });
  const tokens = h("select", { id: "ms-try-count", class: "ms-knob__number" }, replies.counts.map((n) => h("option", { value: n, selected: n === 16 }, `${n} tokens`)));
  const onward = button("Go on with it", () => goOn(Number(tokens.value)), { id: "ms-try-go", class: "ms-btn ms-btn--primary", title: "Every model adds the words it holds likeliest" });

  function typed() {
    forget();
    attempt({ text: field.value });
  }

  function passage(number) {
    forget();
    attempt({ task: task.value, example: number });
  }

  place.append(h("label", { class: "ms-changed__field" }, "Your text", field), count,
    h("div", { class: "ms-try__row" }, onward, h("label", { class: "ms-changed__field" }, "by", tokens)));
  if (replies.tasks.length) place.append(h("div", { class: "ms-try__row" }, h("label", { class: "ms-changed__field" }, "Held-out text", task), another));
  return ({ asked }) => {
    if (asked && document.activeElement !== field && field.value !== asked.text) field.value = asked.text;
    if (asked?.task && document.activeElement !== task) task.value = asked.task;
    count.textContent = `${field.value.length.toLocaleString("en-GB")} of ${LONGEST.toLocaleString("en-GB")} characters`;
  };
}

let wanted = 0; // tokens that were asked for; 0 while nobody asked
let turn = 0;

const forget = () => { wanted = 0; turn += 1; state.continued = null; };

/** Lets every model go on; after a slider has rested the merge does so anew. */
async function goOn(count) {
  const mine = ++turn;
  wanted = count;
  const answer = await ask("go_on", { ...request(), count });
  if (mine !== turn || answer.cancelled) return;
  state.continued = answer.error ? { error: answer.error } : answer.continued;
  document.dispatchEvent(new CustomEvent("ms:continued"));
}

on("answer", ({ settled }) => {
  if (settled && wanted && state.replies?.kind === "text") goOn(wanted);
});
