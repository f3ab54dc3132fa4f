/** One card per model: its answer, how sure it is, what else it thought of, and whom it agrees with. */

import { errorCard } from "../viz/notices.js";
import { state } from "./conversation.js";
import { h, percent } from "./dom.js";

const ROLES = { merged: "this page", pin: "pinned", base: "", expert: "" };
const FULL_BITS = 12; // a bar under a token is full at so many

let last = null;

/** Writes sentence, error and cards; `parts` are their places. */
export function showCards(parts, replies) {
  last = { parts, replies };
  parts.said.textContent = replies.words ?? "";
  parts.error.replaceChildren(...(replies.error ? [errorCard(replies.error)] : []));
  parts.cards.classList.toggle("ms-try__cards--text", replies.kind === "text");
  parts.cards.replaceChildren(...(replies.cards ?? []).map((card) => build(card, replies)));
}

document.addEventListener("ms:continued", () => { if (last) showCards(last.parts, last.replies); });

function build(card, replies) {
  const name = card.role === "pin" ? `Pin ${card.name}` : card.name;
  const tags = [ROLES[card.role], card.own && "the task’s own expert"].filter(Boolean);
  return h("li", { class: `ms-answer ms-answer--${card.role}`, "data-model": card.name, "data-role": card.role },
    h("h3", { class: "ms-answer__name" },
      card.colour && h("span", { class: "ms-chip__dot", colour: card.colour, "aria-hidden": "true" }), h("span", {}, name),
      tags.map((tag) => h("span", { class: "ms-tag" }, tag))),
    card.why ? h("p", { class: "ms-help" }, card.why) : replies.kind === "image" ? image(card) : text(card, replies));
}

const marks = { true: ["✓", " right"], false: ["✗", " wrong"] };

function image(card) {
  const [[label, chance]] = card.top;
  const mark = marks[card.right];
  return [
    h("p", { class: "ms-answer__big" }, h("b", {}, label), " ", percent(chance), mark && h("span", { class: "ms-answer__mark" }, ` ${mark[0]}`, h("span", { class: "ms-sr" }, mark[1]))),
    agreement(card),
    bars(card.top, "Likeliest classes"),
  ];
}

function text(card, replies) {
  const known = typeof card.bits_per_byte === "number";
  return [
    known && h("p", { class: "ms-answer__big" }, h("b", {}, card.bits_per_byte.toFixed(3)), " bits per byte"),
    strip(card, replies.tokens),
    h("p", { class: "ms-answer__next" }, "Expects next"),
    agreement(card),
    bars(card.top, "Likeliest next tokens"),
    onward(card),
  ];
}

function agreement({ agrees }) {
  if (agrees === null) return "";
  return h("p", { class: "ms-answer__agrees", "data-agrees": String(agrees) }, agrees ? "same as the merge" : "differs from the merge");
}

function bars(top, label) {
  return h("ol", { class: "ms-answer__bars", "aria-label": label }, top.map(([word, chance]) => {
    const bar = h("span", { class: "ms-answer__bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", chance);
    return h("li", {}, h("span", { class: "ms-answer__word" }, word), bar, h("span", { class: "ms-num" }, percent(chance)));
  }));
}

/** The text as it stands, with a bar under each token as high as it surprises. */
function strip(card, tokens) {
  if (tokens.length < 2) return "";
  return h("p", { class: "ms-answer__strip", tabindex: "0", role: "group", "aria-label": "The text; a bar under each token is its surprise" }, tokens.map((word, i) => {
    const bits = i ? card.bits[i - 1] : null;
    const node = h("span", { title: bits === null ? "context only" : `${bits.toFixed(2)} bits` }, word);
    node.style.setProperty("--bits", bits === null ? 0 : Math.min(1, bits / FULL_BITS));
    return node;
  }));
}

function onward(card) {
  const { continued } = state;
  if (!continued) return "";
  if (continued.error) return h("p", { class: "ms-help" }, `${continued.error.why} ${continued.error.todo}`.trim());
  const found = continued.find(({ name }) => name === card.name);
  if (!found) return "";
  if (found.why) return h("p", { class: "ms-help" }, found.why);
  return h("div", { class: "ms-answer__onward" }, h("p", { class: "ms-answer__next" }, "Goes on"),
    h("p", { class: "ms-answer__text" }, found.text || (found.whole ? "(says nothing more)" : "…")),
    !found.whole && h("p", { class: "ms-help" }, "Cut off: the time for all models was up."));
}
