/** Where things lie inside a drawn chart, and how to mark them there. */

import { el } from "./text.js";

function span(axis, from, to) {
  const [a, b] = [axis.l2p(from), axis.l2p(to)];
  return [axis._offset + Math.min(a, b), Math.abs(b - a)];
}

function box(div, columns, rows) {
  const { xaxis, yaxis } = div._fullLayout;
  const [left, width] = columns ? span(xaxis, columns[0], columns[1]) : [xaxis._offset, xaxis._length];
  const [top, height] = rows ? span(yaxis, rows[0], rows[1]) : [yaxis._offset, yaxis._length];
  return { left, top, width, height };
}

const around = (at) => [at - 0.5, at + 0.5];

/** The rectangle of one cell of a heatmap, in pixels of its chart. */
export function cellBox(div, row, column) {
  return box(div, around(column), around(row));
}

/** The rectangle of a whole row or a whole column. */
export function bandBox(div, { row, column }) {
  return box(div, column === undefined ? null : around(column), row === undefined ? null : around(row));
}

/** Lays a node over a rectangle of the chart it stands beside. */
export function lay(node, { left, top, width, height }) {
  Object.assign(node.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
}

/** Marks rectangles of a panel under a class name, in place of those marked before. */
export function mark(panel, name, boxes) {
  const stage = panel.div.parentElement;
  const old = [...stage.querySelectorAll(`:scope > .${name}`)];
  boxes.forEach((at, i) => {
    const node = old[i] ?? stage.appendChild(el("div", `ms-mark ${name}`));
    lay(node, at);
  });
  old.slice(boxes.length).forEach((node) => node.remove());
}

/** The trace that has cells, and its number; null when the figure is no heatmap. */
export function heatmap(panel) {
  const index = panel.figure?.data.findIndex((trace) => trace.type === "heatmap") ?? -1;
  return index < 0 ? null : { trace: panel.figure.data[index], index };
}

/** Says whether a heatmap has something at this place. */
export function isFilled(trace, row, column) {
  const value = trace.z?.[row]?.[column];
  return value !== null && value !== undefined && Boolean(trace.customdata?.[row]?.[column]);
}

/** The place of the first cell whose customdata satisfies a question, or null. */
export function findCell(trace, question) {
  for (const [row, cells] of (trace.customdata ?? []).entries()) {
    const column = cells?.findIndex((cell) => cell && question(cell)) ?? -1;
    if (column >= 0) return [row, column];
  }
  return null;
}
