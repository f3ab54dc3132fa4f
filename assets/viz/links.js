/**
 * What somebody points at in one place is marked wherever else it is shown.
 *
 * A subject is {key} (a tensor: its cell of the layer × module maps) or {experts: [names]}. Each
 * figure says in `meta.link` what its parts stand for: "cells" are tensors; "pairs", "rows" and
 * "traces" are experts, named by `meta.experts`. Nothing is asked of the server.
 */

import { bandBox, cellBox, findCell, heatmap, isFilled, mark } from "./place.js";

let panels = () => [];
let last = "null";

/** Tells which panels there are; subjects also arrive as "ms:point" events of the controls. */
export function linkPanels(all) {
  panels = all;
  document.addEventListener("ms:point", (event) => shine(event.detail.subject, null));
}

/** Listens to the pointer over one chart. */
export function watchPointer(panel) {
  panel.div.on("plotly_hover", (event) => point(panel, event.points[0]));
  panel.div.on("plotly_unhover", () => shine(null, panel));
}

function point(panel, at) {
  if (at) shine(subjectOf(panel, at.curveNumber, at.pointIndex ?? at.pointNumber), panel);
}

/** Marks the subject of a heatmap cell that the keyboard stands on. */
export function pointAtCell(panel, row, column) {
  shine(row === undefined ? null : subjectOf(panel, heatmap(panel)?.index, [row, column]), panel);
}

function subjectOf(panel, curve, index) {
  const { link, experts = [] } = panel.figure.meta;
  const [row, column] = [index].flat();
  const named = (...at) => at.map((i) => experts[i]).filter((name) => name !== undefined);
  if (link === "cells") {
    const key = panel.figure.data[curve]?.customdata?.[row]?.[column]?.[0];
    return key ? { key } : null;
  }
  const names = link === "pairs" ? named(row, column) : link === "rows" ? named(row) : named(curve);
  return names.length ? { experts: names } : null;
}

/** Marks a subject in every chart but the one it came from, and tells the controls. */
export function shine(subject, source) {
  const text = JSON.stringify(subject);
  if (text === last) return;
  last = text;
  for (const panel of panels()) {
    if (panel.drawn && panel.div?.clientWidth) light(panel, panel === source ? null : subject);
  }
  document.dispatchEvent(new CustomEvent("ms:shine", { detail: { experts: subject?.experts ?? [] } }));
}

function light(panel, subject) {
  const { link } = panel.figure.meta;
  if (link === "traces") {
    dim(panel, subject?.experts);
  } else if (link) {
    mark(panel, "ms-mark--lit", subject ? boxes(panel, subject) : []);
  }
}

function boxes(panel, { key, experts: names = [] }) {
  const { link, experts = [] } = panel.figure.meta;
  if (link === "cells") return key ? cellsOf(panel, key) : [];
  const rows = names.map((name) => experts.indexOf(name)).filter((i) => i >= 0);
  if (link === "rows") return rows.map((row) => bandBox(panel.div, { row }));
  const { trace } = heatmap(panel) ?? {};
  if (!trace) return [];
  if (rows.length > 1) {
    const [a, b] = rows;
    return [[a, b], [b, a]].filter((at) => isFilled(trace, ...at)).map((at) => cellBox(panel.div, ...at));
  }
  return rows.flatMap((i) => [bandBox(panel.div, { row: i }), bandBox(panel.div, { column: i })]);
}

function cellsOf(panel, key) {
  const found = heatmap(panel);
  const at = found && findCell(found.trace, (cell) => cell[0] === key);
  return at ? [cellBox(panel.div, ...at)] : [];
}

function dim(panel, names) {
  const { experts = [] } = panel.figure.meta;
  const known = (names ?? []).filter((name) => experts.includes(name));
  panel.div.querySelectorAll(".scatterlayer > .trace").forEach((node, i) => {
    node.classList.toggle("ms-dim", known.length > 0 && !known.includes(experts[i]));
  });
}

/** Frames, in the maps, the cell of the tensor that another chart looks into (`meta.key`). */
export function frameChosen() {
  const looked = [...panels()].find((panel) => panel.figure?.meta.key && panel.div?.clientWidth);
  const key = looked?.figure.meta.key;
  for (const panel of panels()) {
    if (panel.drawn && panel.div?.clientWidth && panel.figure.meta.link === "cells" && panel.figure.meta.clickable) {
      mark(panel, "ms-mark--chosen", key ? cellsOf(panel, key) : []);
    }
  }
}
