/** Points of a scatter chart: the 95% interval of the one that is pointed at, as a cross of bars. */

import { mark } from "./place.js";

const THICK = 1.5; // pixels

/** Listens to the pointer over a chart whose figure says `meta.link: "points"`. */
export function watchPoints(panel) {
  panel.div.on("plotly_hover", ({ points: [at] }) => show(panel, at));
  for (const gone of ["plotly_unhover", "plotly_relayout"]) panel.div.on(gone, () => show(panel, null));
}

function show(panel, at) {
  if (panel.figure?.meta.link !== "points") return;
  const [, , ...ends] = at?.data.customdata?.[at.pointIndex ?? at.pointNumber] ?? [];
  mark(panel, "ms-mark--interval", ends.length === 4 && ends.every(Number.isFinite) ? bars(panel.div, at, ends) : []);
}

/** Two thin boxes through the point: from low to high across, and from low to high up. */
function bars(div, at, [xlow, xhigh, ylow, yhigh]) {
  const { xaxis, yaxis } = div._fullLayout;
  const x = xaxis._offset + xaxis.l2p(at.x);
  const y = yaxis._offset + yaxis.l2p(at.y);
  const [left, right] = inside(xaxis, xlow, xhigh);
  const [top, bottom] = inside(yaxis, yhigh, ylow);
  const across = { left, top: y - THICK / 2, width: right - left, height: THICK };
  const up = { left: x - THICK / 2, top, width: THICK, height: bottom - top };
  return [across, up].filter((box) => Math.max(box.width, box.height) > 2);
}

function inside(axis, from, to) {
  const clip = (value) => axis._offset + Math.min(axis._length, Math.max(0, axis.l2p(value)));
  return [clip(from), clip(to)];
}
