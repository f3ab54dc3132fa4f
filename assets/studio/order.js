/** Puts the experts in another order: a card is dragged by its grip, or moved by keys or buttons. */

import { edit, state, tell } from "./conversation.js";
import { h } from "./dom.js";

const STILL_PX = 4; // a finger that moves less than this has clicked

/** The grip of a card, which also shows its place where the order counts, and its two buttons. */
export function grip(name) {
  const step = (by, sign, words) => h("button", { type: "button", class: `ms-chip__${words}`, tabindex: "-1",
    "aria-label": `Move ${name} ${words}`, title: `Move ${words} (Alt+${sign})`, onclick: () => move(name, placeOf(name) + by) }, sign);
  return [
    h("button", { type: "button", class: "ms-chip__grip", "aria-keyshortcuts": "Alt+ArrowUp Alt+ArrowDown",
      onpointerdown: drag, onclick: (e) => e.currentTarget.closest(".ms-chip").classList.toggle("ms-chip--moving") }),
    h("span", { class: "ms-chip__moves" }, step(-1, "↑", "up"), step(1, "↓", "down")),
  ];
}

/** Writes the place of a card on its grip; a place of 0 is none. */
export function showPlace(chip, name, place, count) {
  const node = chip.querySelector(".ms-chip__grip");
  const words = place ? `${name} is number ${place} of ${count}` : `Move ${name}`;
  node.textContent = place ? String(place) : "⠿";
  node.setAttribute("aria-label", `${words}. Arrow keys move it.`);
  node.title = `${words}. Drag it, or press Alt with an arrow.`;
  chip.classList.toggle("ms-chip--placed", place > 0);
  const at = placeOf(name);
  chip.querySelector(".ms-chip__up").disabled = at === 0;
  chip.querySelector(".ms-chip__down").disabled = at === state.draft.experts.length - 1;
}

const placeOf = (name) => state.draft.experts.findIndex((row) => row.name === name);
const chipOf = (name) => [...document.querySelectorAll(".ms-chip")].find((chip) => chip.dataset.name === name);

/** Moves an expert to a place among the cards; its step and coefficient go with it. */
export function move(name, to) {
  const from = placeOf(name);
  const place = Math.max(0, Math.min(state.draft.experts.length - 1, to));
  if (from < 0 || from === place) return;
  const inside = chipOf(name)?.contains(document.activeElement) ? document.activeElement.className : "";
  const open = chipOf(name)?.classList.contains("ms-chip--moving");
  edit((draft) => { draft.experts.splice(place, 0, ...draft.experts.splice(from, 1)); });
  tell("rebuild");
  const chip = chipOf(name);
  chip.classList.toggle("ms-chip--moving", open);
  if (inside) ([...chip.querySelectorAll("*")].find((node) => node.className === inside && !node.disabled)
    ?? chip.querySelector(".ms-chip__grip")).focus();
  chip.scrollIntoView({ block: "nearest" });
}

/** Alt and an arrow move the card that has the focus; on its grip the arrow alone does. */
export function watchKeys(node) {
  node.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const chip = event.target.closest(".ms-chip");
    if (!by || !chip || !(event.altKey || event.target.matches(".ms-chip__grip"))) return;
    event.preventDefault();
    move(chip.dataset.name, placeOf(chip.dataset.name) + by);
  });
}

/** Follows the finger; the other cards make room, and the card falls where it is let go. */
function drag(event) {
  if (event.button !== 0) return;
  const handle = event.currentTarget;
  const chip = handle.closest(".ms-chip");
  const list = chip.parentElement;
  const chips = [...list.querySelectorAll(".ms-chip")];
  const from = chips.indexOf(chip);
  const tops = chips.map((node) => node.offsetTop);
  const room = chip.offsetHeight + (parseFloat(getComputedStyle(list).rowGap) || 0);
  const start = event.clientY - list.getBoundingClientRect().top;
  let [to, moved] = [from, false];
  const follow = (now) => {
    const shift = now.clientY - list.getBoundingClientRect().top - start;
    moved ||= Math.abs(shift) > STILL_PX;
    if (!moved) return;
    chip.classList.add("ms-chip--dragged");
    const middle = tops[from] + shift + chip.offsetHeight / 2;
    const before = chips.filter((node, i) => i !== from && tops[i] + node.offsetHeight / 2 < middle);
    to = before.length;
    chips.forEach((node, i) => {
      const gap = i > from && i <= to ? -room : i < from && i >= to ? room : 0;
      node.style.transform = `translateY(${i === from ? shift : gap}px)`;
    });
    chip.scrollIntoView({ block: "nearest" });
  };
  const stop = (fall) => {
    for (const [type, fn] of Object.entries(heard)) handle.removeEventListener(type, fn);
    document.removeEventListener("keydown", escape, true);
    for (const node of chips) node.style.transform = "";
    chip.classList.remove("ms-chip--dragged");
    // The click that ends a drag opens nothing.
    if (moved) handle.addEventListener("click", (e) => e.stopImmediatePropagation(), { capture: true, once: true });
    if (fall && moved) move(chip.dataset.name, to);
  };
  const heard = { pointermove: follow, pointerup: () => stop(true), pointercancel: () => stop(false) };
  const escape = (now) => {
    if (now.key !== "Escape") return;
    now.stopPropagation();
    stop(false);
  };
  for (const [type, fn] of Object.entries(heard)) handle.addEventListener(type, fn);
  document.addEventListener("keydown", escape, true);
  handle.setPointerCapture(event.pointerId);
}
