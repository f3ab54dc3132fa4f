/** Error cards that stay until they are solved, and short notes that go by themselves. */

import { el } from "./text.js";

const SECONDS = 6;
let place = null;
let toasts = null;

function button(className, words, onClick) {
  const node = el("button", className, words);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

/**
 * Builds the card {what, why, todo, offer}: what went wrong, why, and what to do. An offer
 * {label, text} is a recipe that works instead; who takes it is told of by "ms:offer". `hub` {label,
 * base, experts, text} names models to be looked up, told of by "ms:hub".
 */
export function errorCard({ what, why = "", todo = "", offer = null, hub = null }, onClose = null) {
  const card = el("div", "ms-error");
  card.setAttribute("role", "alert");
  card.append(el("p", "ms-error__what", what));
  if (why) card.append(el("p", "ms-error__why", why));
  if (todo && todo !== why) card.append(el("p", "ms-error__todo", todo));
  if (offer) {
    const take = () => document.dispatchEvent(new CustomEvent("ms:offer", { detail: offer }));
    card.append(button("ms-error__offer", offer.label, take));
  }
  if (hub) {
    const look = () => document.dispatchEvent(new CustomEvent("ms:hub", { detail: hub }));
    card.append(button("ms-error__offer", hub.label, look));
  }
  if (onClose) card.append(button("ms-error__close", "Dismiss", onClose));
  return card;
}

/** Shows one line at the edge of the page for a few seconds. */
export function toast({ text, kind = "info" }) {
  if (!toasts?.isConnected) {
    toasts = el("div", "ms-toasts");
    toasts.setAttribute("role", "status");
    document.body.append(toasts);
  }
  const note = el("div", `ms-toast ms-toast--${kind === "warning" ? "warning" : "info"}`, text);
  toasts.append(note);
  while (toasts.children.length > 4) toasts.firstChild.remove();
  setTimeout(() => note.remove(), SECONDS * 1000);
}

/** Takes `notices`: errors replace the cards shown before, the rest becomes toasts. */
export function update(notices) {
  const errors = notices.filter((notice) => notice.kind === "error");
  if (place?.isConnected) {
    place.replaceChildren(...errors.map((notice) => {
      const card = errorCard(notice, () => card.remove());
      return card;
    }));
  } else {
    for (const { what, todo = "" } of errors) toast({ kind: "warning", text: `${what} ${todo}` });
  }
  notices.filter((notice) => notice.kind !== "error" && notice.text).forEach(toast);
}

/** Error cards appear inside this element. */
export function mount(element) {
  place = element.querySelector(".ms-notices") ?? element;
}
