/** The strip of headline numbers, each with what changed against the pin. */

import { el, say, show } from "./text.js";

const GLYPH = { up: "▲", down: "▼", same: "=" };
const QUIET_MS = 700;
let place = null;
let latest = null;
let timer = 0;

function tile() {
  const node = el("div", "ms-kpi");
  node.tabIndex = 0;
  const tip = el("span", "ms-kpi__tip");
  tip.setAttribute("role", "tooltip");
  const delta = el("div", "ms-kpi__delta");
  const glyph = el("span", "ms-kpi__glyph");
  glyph.setAttribute("aria-hidden", "true");
  delta.append(glyph, el("span", "ms-kpi__words"));
  const head = el("div", "ms-kpi__head");
  head.append(el("span", "ms-kpi__value"), delta);
  node.append(el("span", "ms-kpi__label"), head, el("div", "ms-kpi__note"), el("span", "ms-kpi__tag"), tip);
  return node;
}

function tag({ kind, n, split }) {
  const word = kind === "estimated" ? "preview" : kind === "measured" ? "measured" : "";
  const parts = [word, n === undefined || n === null ? "" : `n ${show(n)}`, split ?? ""];
  return parts.filter(Boolean).join(" · ");
}

function fill(node, kpi, index) {
  const part = (name) => node.querySelector(`.ms-kpi__${name}`);
  const { delta } = kpi;
  node.classList.toggle("ms-kpi--estimated", kpi.kind === "estimated");
  node.classList.toggle("ms-kpi--measured", kpi.kind === "measured");
  say(part("label"), kpi.label);
  say(part("tag"), tag(kpi));
  say(part("value"), kpi.value);
  say(part("glyph"), delta ? GLYPH[delta.direction] ?? "" : "");
  say(part("words"), delta ? delta.words : "");
  say(part("note"), kpi.note ?? "");
  node.querySelector(".ms-kpi__delta").dataset.good = String(delta?.good ?? "");
  say(part("tip"), kpi.tooltip ?? "");
  part("tip").hidden = !kpi.tooltip;
  part("tip").id = `ms-kpi-tip-${index}`;
  node.setAttribute("aria-describedby", part("tip").id);
}

/** Reads the strip aloud once it has been still for a moment, not on every step of a drag. */
function announce(kpis) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const words = kpis.map((kpi) => `${kpi.label} ${kpi.value}${kpi.delta ? `, ${kpi.delta.words}` : ""}`);
    const live = place?.querySelector(".ms-kpis__live");
    if (live) say(live, `${words.join("; ")}.`);
  }, QUIET_MS);
}

/** Takes `kpis`: [{label, value, delta?: {direction, words, good?}, kind?, n?, split?, tooltip?, note?}]. */
export function update(kpis) {
  latest = kpis;
  const strip = place?.querySelector(".ms-kpis__tiles");
  if (!strip) return;
  strip.querySelectorAll(".ms-kpi--skeleton").forEach((node) => node.remove());
  while (strip.children.length < kpis.length) strip.append(tile());
  while (strip.children.length > kpis.length) strip.lastChild.remove();
  kpis.forEach((kpi, i) => fill(strip.children[i], kpi, i));
  announce(kpis);
}

/** The strip lives inside this element. */
export function mount(element) {
  place = element;
  if (latest) update(latest);
}
