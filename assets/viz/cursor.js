/** Heatmap cells by keyboard: arrows walk from cell to cell, Enter chooses, each is read aloud. */

import { cellBox, heatmap, isFilled, lay } from "./place.js";
import { el, say } from "./text.js";

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const EDGES = { Home: [0, -1], End: [0, 1] };

/**
 * Gives a heatmap one tab stop that moves over its cells; `choose(customdata)` is called on Enter,
 * `visit(customdata, row, column)` on each cell and `visit(null)` at the end.
 */
export function keepCursor(panel, Plotly, { choose, visit }) {
  if (!heatmap(panel)) {
    panel.cursor?.node.remove();
    panel.cursor = null;
    return;
  }
  panel.cursor ??= make(panel, Plotly, { choose, visit });
  const { cursor } = panel;
  if (!cursor.node.isConnected) panel.div.parentElement.append(cursor.node, cursor.live);
  const title = panel.figure.meta.title ?? panel.id;
  const picks = panel.figure.meta.clickable ? ", Enter opens the cell" : "";
  cursor.node.setAttribute("aria-label", `${title} Cells: arrow keys move${picks}.`);
  settle(panel);
}

function make(panel, Plotly, calls) {
  const node = el("div", "ms-cursor");
  node.tabIndex = 0;
  node.setAttribute("role", "application");
  node.setAttribute("aria-roledescription", "chart cells");
  const live = el("p", "ms-cursor__live ms-sr");
  live.setAttribute("aria-live", "polite");
  const cursor = { node, live, at: null, calls, Plotly };
  node.addEventListener("keydown", (event) => press(panel, event));
  node.addEventListener("focus", () => show(panel));
  node.addEventListener("blur", () => hide(panel));
  return cursor;
}

/** Keeps the cursor on a cell that exists, and where that cell now lies. */
function settle(panel) {
  const { cursor, div } = panel;
  const { trace } = heatmap(panel);
  if (!cursor.at || !isFilled(trace, ...cursor.at)) cursor.at = first(trace);
  if (cursor.at) lay(cursor.node, cellBox(div, ...cursor.at));
}

function first(trace) {
  for (const [row, cells] of (trace.z ?? []).entries()) {
    const column = cells.findIndex((_, i) => isFilled(trace, row, i));
    if (column >= 0) return [row, column];
  }
  return null;
}

function press(panel, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { cursor } = panel;
  const found = heatmap(panel);
  if (!found || !cursor.at) return;
  if (event.key === "Enter" || event.key === " ") {
    const cell = found.trace.customdata[cursor.at[0]][cursor.at[1]];
    if (panel.figure.meta.clickable) say(cursor.live, `Opened ${cell[1]}.`);
    cursor.calls.choose(cell);
  } else if (event.key in STEPS) {
    walk(panel, found.trace, STEPS[event.key], false);
  } else if (event.key in EDGES) {
    walk(panel, found.trace, EDGES[event.key], true);
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}

/** Moves to the next filled cell in a direction, or to the last one. */
function walk(panel, trace, [down, right], far) {
  const { cursor } = panel;
  let [row, column] = cursor.at;
  for (;;) {
    row += down;
    column += right;
    if (row < 0 || column < 0 || row >= trace.z.length || column >= trace.z[row].length) break;
    if (!isFilled(trace, row, column)) continue;
    cursor.at = [row, column];
    if (!far) break;
  }
  show(panel);
}

function show(panel) {
  const { cursor, div } = panel;
  const found = heatmap(panel);
  if (!found || !cursor.at) return;
  settle(panel);
  const [row, column] = cursor.at;
  const cell = found.trace.customdata[row][column];
  cursor.Plotly.Fx.hover(div, { xval: column, yval: row }, "xy");
  say(cursor.live, cell.slice(1).join(", "));
  cursor.calls.visit(cell, row, column);
}

function hide(panel) {
  if (panel.drawn && panel.div) panel.cursor.Plotly.Fx.unhover(panel.div);
  panel.cursor.calls.visit(null);
}
