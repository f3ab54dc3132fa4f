/** A setting that changes with depth: a curve that is dragged, named shapes, a slider per point. */

import { state } from "./conversation.js";
import { button, h, short } from "./dom.js";
import { curve } from "./curve.js";
import { sliderRow } from "./slider.js";

const COUNT = 5;
const COUNTS = [2, 3, 4, 5, 6, 7, 8];
const NAMES = {
  2: ["first", "last"], 3: ["first", "middle", "last"], 4: ["first", "early", "late", "last"],
  5: ["first", "early", "middle", "late", "last"],
};
const opened = new Map(); // by id: what somebody opened or closed by hand

const layers = () => state.config.families.find((f) => f.id === state.draft.family)?.layers ?? 0;

export const isCurve = (value) => Array.isArray(value?.depth);
export const meanOf = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

const nameOf = (i, count) => NAMES[count]?.[i]
  ?? (i === 0 ? "first" : i === count - 1 ? "last" : `at ${Math.round((100 * i) / (count - 1))}%`);

/** Where a curve with evenly spaced values stands at other evenly spaced depths. */
function resampled(values, count) {
  return Array.from({ length: count }, (_, i) => {
    const at = (i / (count - 1)) * (values.length - 1);
    const left = Math.min(Math.floor(at), Math.max(0, values.length - 2));
    return values.length === 1 ? values[0] : values[left] + (at - left) * (values[left + 1] - values[left]);
  });
}

/**
 * Gives a slider row a button that opens the curve under it.
 *
 * `key` names the setting where its id may pass to another (the ids of coefficients count); `low` and `high` are the track, `bounds` what is valid (null is open), `whole` wants integers.
 */
export function withDepth(row, spec) {
  const { id, label, get, key = id } = spec;
  let editor = null;
  const toggle = h("button", { type: "button", class: "ms-depth__toggle", id: `${id}-depth`, "aria-controls": `${id}-curve`,
    "aria-label": `${label}, by depth`,
    onclick: () => { opened.set(key, !isOpen()); row.show(); } }, icon());
  const place = h("div", { class: "ms-depth", id: `${id}-curve`, role: "group", "aria-label": `${label}, by depth`, hidden: true });
  const isOpen = () => opened.get(key) ?? isCurve(get());
  row.append(toggle, place);
  row.classList.add("ms-row--depth");
  const plain = row.show;
  row.show = () => {
    plain();
    const value = get();
    const can = isCurve(value) || (typeof value === "number" && layers() > 1);
    const open = isOpen() && can;
    toggle.disabled = !can;
    toggle.title = layers() > 1 ? "Let it change from the first layer to the last" : "No names of tensors number layers here";
    toggle.setAttribute("aria-expanded", String(open));
    toggle.classList.toggle("ms-depth__toggle--on", isCurve(value));
    if (isCurve(value)) {
      const [range, number] = [row.querySelector(`#${id}-track`), row.querySelector(`#${id}-number`)];
      range.value = meanOf(value.depth);
      number.value = short(meanOf(value.depth));
      number.title = "Mean of the curve";
    }
    place.hidden = !open;
    if (!open) return;
    editor ??= build(place, spec);
    editor();
  };
  row.show();
  return row;
}

function icon() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg.namespaceURI, "path");
  line.setAttribute("d", "M1.5 13 C 7 13, 7 3, 14.5 3");
  svg.append(line);
  return svg;
}

function build(place, spec) {
  const { id, label, low, high, step, bounds, whole, get, set } = spec;
  let count = Math.min(COUNT, Math.max(2, layers()));
  const digits = high - low >= 0.1 ? 4 : 8;
  const tidy = (v) => {
    const inside = Math.min(bounds[1] ?? Infinity, Math.max(bounds[0] ?? -Infinity, v));
    return whole ? Math.round(inside) : Number(inside.toFixed(digits));
  };
  const values = () => (isCurve(get()) ? get().depth : Array(count).fill(get()));
  const mean = () => (isCurve(get()) ? meanOf(get().depth) : get());
  const write = (all) => set({ depth: all.map(tidy) });
  const move = (i, v) => write(values().map((old, at) => (at === i ? v : old)));
  let before = null;
  const drawn = curve({ low, high, step: step || (high - low) / 100, move,
    hold: () => { before = get(); }, restore: () => set(before) });
  const about = h("p", { class: "ms-help" });
  const groups = h("div", { class: "ms-depth__groups" });
  const shapes = Object.keys(state.config.shapes).map((shape) => button(shape, () => write(shaped(shape)), { class: "ms-depth__shape", "data-shape": shape, "aria-pressed": "false" }));
  const points = h("select", { class: "ms-depth__points", id: `${id}-points`, "aria-label": `${label}: points of the curve`,
    onchange: (e) => { count = Number(e.target.value); write(resampled(values(), count)); } });
  const back = button("One number", () => { opened.set(spec.key ?? id, true); set(whole ? Math.round(mean()) : Number(mean().toFixed(6))); },
    { class: "ms-depth__shape", id: `${id}-flatten`, title: "Back to one number, the mean of the points" });
  place.replaceChildren(drawn.node, h("div", { class: "ms-depth__shapes", role: "group", "aria-label": `${label}: shapes, all of the same mean` }, shapes),
    groups, h("div", { class: "ms-depth__foot" }, h("label", {}, "Points ", points), back),
    about);

  /** The shape around the mean, half as high as it, less where the setting has an end. */
  function shaped(shape) {
    const m = mean();
    const out = state.config.shapes[shape][values().length] ?? state.config.shapes[shape][COUNT];
    const room = [(bounds[1] ?? Infinity) - m, m - (bounds[0] ?? -Infinity)];
    const swing = Math.min(Math.abs(m) / 2 || (high - low) / 4, ...out.filter((d) => d).map((d) => room[d > 0 ? 0 : 1] / Math.abs(d)));
    return out.map((d) => m + Math.max(0, swing) * d);
  }

  return () => {
    const now = values();
    count = now.length;
    drawn.show(now);
    if (groups.children.length !== count) {
      groups.replaceChildren(...now.map((_, i) => h("div", { class: "ms-depth__group" }, h("span", { "aria-hidden": "true" }, nameOf(i, count)),
        sliderRow({ id: `${id}-depth-${i}`, kind: "row", label: `${label}, ${nameOf(i, count)}`, low, high, step, get: () => values()[i], set: (v) => move(i, v) }))));
      const offered = [...new Set([...COUNTS, count])].sort((a, b) => a - b);
      points.replaceChildren(...offered.map((n) => h("option", { value: n, selected: n === count }, String(n))));
    }
    for (const group of groups.children) group.lastChild.show();
    back.disabled = !isCurve(get());
    about.textContent = `Left is the first of ${layers()} layers, right the last; what lies outside them takes the first value.`
      + (count > layers() ? " There are more points than layers, so some do not count." : "");
    for (const node of shapes) {
      const same = isCurve(get()) && shaped(node.dataset.shape).map(tidy).every((v, i) => Math.abs(v - now[i]) < 1e-9);
      node.setAttribute("aria-pressed", String(same));
      node.disabled = node.dataset.shape !== "flat" && state.config.shapes[node.dataset.shape][count]?.every((d) => d === 0);
    }
  };
}
