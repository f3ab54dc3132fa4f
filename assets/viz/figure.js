/** Folds patches into figures and sorts them by the cheapest way to draw them. */

import { dress } from "./look.js";

// What Plotly can move without redrawing the axes, measured at a third of a full redraw.
const MOVABLE = /^(x|y|text|hovertext|customdata|error_[xy]\.(array|arrayminus|value))$/;
const MOVABLE_TYPES = new Set(["bar", "scatter", undefined]);

/** Flattens {error_x: {array: […]}} to {"error_x.array": […]}; arrays are values. */
export function flatten(patch, prefix = "", out = {}) {
  for (const [key, value] of Object.entries(patch)) {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      flatten(value, `${prefix}${key}.`, out);
    } else {
      out[prefix + key] = value;
    }
  }
  return out;
}

/** Writes a value at a path such as "error_x.array". */
export function setAt(target, path, value) {
  const parts = path.split(".");
  if (parts.some((part) => part === "__proto__" || part === "constructor")) return;
  const last = parts.pop();
  let place = target;
  for (const part of parts) place = place[part] ??= {};
  place[last] = value;
}

function getAt(target, path) {
  return path.split(".").reduce((place, part) => place?.[part], target);
}

function differing(target, change) {
  const entries = Object.entries(flatten(change));
  return Object.fromEntries(entries.filter(
    ([path, value]) => JSON.stringify(value) !== JSON.stringify(getAt(target, path) ?? null),
  ));
}

/** Leaves out what the figure shows already: a heatmap that did not change is not redrawn. */
export function news(figure, patch) {
  const traces = {};
  for (const trace of figure.data) {
    const change = differing(trace, patch.traces?.[trace.name] ?? {});
    if (Object.keys(change).length) traces[trace.name] = change;
  }
  return { traces, layout: differing(figure.layout, patch.layout ?? {}), meta: patch.meta };
}

/** Writes a patch into the kept figure, so that a redraw from scratch shows the same. */
export function fold(figure, patch) {
  for (const [name, change] of Object.entries(patch.traces ?? {})) {
    const trace = figure.data.find((candidate) => candidate.name === name);
    if (!trace) continue;
    for (const [path, value] of Object.entries(flatten(change))) setAt(trace, path, value);
  }
  for (const [path, value] of Object.entries(flatten(patch.layout ?? {}))) {
    setAt(figure.layout, path, value);
  }
  figure.meta = { ...figure.meta, ...patch.meta };
}

/** Merges a newer patch over one that is still waiting to be drawn. */
export function merge(waiting, patch) {
  const traces = { ...waiting?.traces };
  for (const [name, change] of Object.entries(patch.traces ?? {})) {
    traces[name] = { ...traces[name], ...flatten(change) };
  }
  return {
    traces,
    layout: { ...waiting?.layout, ...flatten(patch.layout ?? {}) },
    meta: { ...waiting?.meta, ...patch.meta },
  };
}

/** Resolves and escapes what a patch writes. */
export function dressed(change) {
  const out = {};
  for (const [path, value] of Object.entries(change)) {
    out[path] = dress(value, path.slice(path.lastIndexOf(".") + 1));
  }
  return out;
}

/**
 * Every bar trace and one trace of each other type that does not move: Plotly empties the layer
 * of a type that is left out of an animation, and drops bars whose own trace is.
 */
function companions(data, moved) {
  const seen = new Set(moved.map((index) => data[index].type ?? "scatter"));
  const size = (index) => data[index].x?.length ?? 0;
  const order = data.map((_, index) => index).sort((a, b) => size(a) - size(b));
  return order.filter((index) => {
    const type = data[index].type ?? "scatter";
    // A bar trace that is left out loses its bars: the pinned ones vanished under a drag.
    if (type === "bar") return !moved.includes(index);
    if (seen.has(type)) return false;
    seen.add(type);
    return true;
  });
}

/** Draws a waiting patch: bars and points slide without a redraw, the rest is restyled. */
export async function drawPatch(Plotly, div, figure, patch) {
  const moves = [];
  const moved = [];
  const restyles = [];
  figure.data.forEach((trace, index) => {
    const change = patch.traces[trace.name];
    if (!change) return;
    const paths = Object.keys(change);
    if (MOVABLE_TYPES.has(trace.type) && paths.every((path) => MOVABLE.test(path))) {
      moves.push(dressed(change));
      moved.push(index);
    } else if (paths.length) {
      restyles.push([index, dressed(change)]);
    }
  });
  if (moves.length) {
    for (const index of companions(figure.data, moved)) {
      moves.push({});
      moved.push(index);
    }
    await Plotly.animate(div, { data: moves, traces: moved }, {
      mode: "immediate", transition: { duration: 0 }, frame: { duration: 0, redraw: false },
    });
  }
  for (const [index, change] of restyles) {
    const wrapped = Object.fromEntries(Object.entries(change).map(([k, v]) => [k, [v]]));
    await Plotly.restyle(div, wrapped, [index]);
  }
  const layout = Object.entries(patch.layout);
  if (layout.length) await Plotly.relayout(div, dressed(Object.fromEntries(layout)));
}
