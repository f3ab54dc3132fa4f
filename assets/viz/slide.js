/**
 * Moves bars, their error bars and texts by hand.
 *
 * Plotly works out every default and every axis anew for each move, ten milliseconds for six bars.
 * A drag needs only new lengths and words; Plotly is told them once the drag rests.
 */

import { dressed, setAt } from "./figure.js";

const BAR = /^x$|^error_x\.(array|arrayminus)$|^customdata$/;
const WORDS = /^text$|^customdata$/;
const POINT = /^[xy]$|^error_[xy]\.(array|arrayminus)$|^text$|^customdata$/;
const LENGTH = /^(M[-\d.e]+,[-\d.e]+V[-\d.e]+H)[-\d.e]+(V[-\d.e]+Z)$/;
const WHISKER = /^M[-\d.e]+(,[^H]+H)[-\d.e]+(.*)$/;

function nodesOf(div, index, layer) {
  const traces = div.querySelectorAll(`${layer} > .trace`);
  return [...traces].find((node) => node.__data__?.[0]?.trace?.index === index);
}

function isBar(trace) {
  return trace.type === "bar" && trace.orientation === "h" && !trace.base;
}

const isScatter = (trace) => (trace.type ?? "scatter") === "scatter";

/** Lists what to write where: [node, attribute or null for its text, value]; null when unsure. */
function movesOf(div, figure, patch) {
  const moves = [];
  for (const [index, trace] of figure.data.entries()) {
    const paths = Object.keys(patch.traces[trace.name] ?? {});
    if (!paths.length) continue;
    const found = isBar(trace) && paths.every((path) => BAR.test(path)) ? bars(div, trace, index)
      : !isScatter(trace) ? null
        : paths.every((path) => WORDS.test(path)) ? words(div, trace, index)
          : paths.every((path) => POINT.test(path)) ? point(div, trace, index) : null;
    if (!found) return null;
    moves.push(...found);
  }
  return moves;
}

function bars(div, trace, index) {
  const group = nodesOf(div, index, ".barlayer");
  const axis = div._fullLayout.xaxis;
  if (!group || axis.type !== "linear") return null;
  const lengths = [...group.querySelectorAll(".points > .point > path")];
  const whiskers = [...group.querySelectorAll(".errorbar > path.xerror")];
  const count = trace.x.length;
  if (lengths.length !== count || !trace.x.every(Number.isFinite)) return null;
  const moves = lengths.map((node, i) => [node, "d", LENGTH, (parts) => `${parts[1]}${axis.c2p(trace.x[i])}${parts[2]}`]);
  if (trace.error_x) {
    const { array, arrayminus = array } = trace.error_x;
    if (whiskers.length !== count || ![...array, ...arrayminus].every(Number.isFinite)) return null;
    moves.push(...whiskers.map((node, i) => [node, "d", WHISKER, (parts) =>
      `M${axis.c2p(trace.x[i] + array[i])}${parts[1]}${axis.c2p(trace.x[i] - arrayminus[i])}${parts[2]}`]));
  }
  return replaced(moves);
}

function replaced(moves) {
  const out = [];
  for (const [node, name, pattern, write] of moves) {
    const parts = pattern.exec(node.getAttribute(name) ?? "");
    if (!parts) return null;
    out.push([node, name, write(parts)]);
  }
  return out;
}

const WHISKER_ACROSS = /^M[-\d.e]+,[-\d.e]+(v[-\d.e]+m0,[-\d.e]+)H[-\d.e]+(m0,[-\d.e]+v[-\d.e]+)$/;
const WHISKER_UP = /^M[-\d.e]+,[-\d.e]+(h[-\d.e]+m[-\d.e]+,0)V[-\d.e]+(m[-\d.e]+,0h[-\d.e]+)$/;

/** A single point that moves over a cloud which stays: Plotly would place each dot of it anew. */
function point(div, trace, index) {
  const group = nodesOf(div, index, ".scatterlayer");
  const { xaxis, yaxis } = div._fullLayout;
  const node = group?.querySelector(".points > .point");
  const [x, y] = [trace.x?.[0], trace.y?.[0]];
  if (!node || trace.x.length !== 1 || trace.mode !== "markers" || ![x, y].every(Number.isFinite)) return null;
  const [px, py] = [xaxis.c2p(x), yaxis.c2p(y)];
  const moves = [[node, "transform", `translate(${px},${py})`]];
  const whiskers = [
    ["xerror", WHISKER_ACROSS, trace.error_x, xaxis, x, (parts, low, high) => `M${low},${py - 4}${parts[1]}H${high}${parts[2]}`],
    ["yerror", WHISKER_UP, trace.error_y, yaxis, y, (parts, low, high) => `M${px - 4},${high}${parts[1]}V${low}${parts[2]}`],
  ];
  for (const [name, pattern, bars_, axis, at, write] of whiskers) {
    const path = group.querySelector(`.errorbar > .${name}`);
    if (!path) continue;
    const parts = pattern.exec(path.getAttribute("d") ?? "");
    if (!parts || !bars_) return null;
    moves.push([path, "d", write(parts, axis.c2p(at - bars_.arrayminus[0]), axis.c2p(at + bars_.array[0]))]);
  }
  return moves;
}

function words(div, trace, index) {
  if (!trace.mode?.includes("text")) return [];
  const group = nodesOf(div, index, ".scatterlayer");
  const texts = [...(group?.querySelectorAll(".textpoint > text") ?? [])];
  const plain = trace.text.every((text) => typeof text === "string" && text !== "" && !/[<&$]/.test(text));
  if (texts.length !== trace.text.length || !plain || trace.textposition !== "middle right") return null;
  return texts.map((node, i) => [node, null, trace.text[i]]);
}

/** Moves a drawn chart to its figure's new values; false when that takes more than new lengths. */
export function slide(div, figure, patch) {
  if (Object.keys(patch.layout ?? {}).length) return false;
  const moves = movesOf(div, figure, patch);
  if (!moves) return false;
  for (const [node, name, value] of moves) {
    if (name) node.setAttribute(name, value);
    else if (node.textContent !== value) node.textContent = value;
  }
  note(div, figure, patch);
  return true;
}

/** Keeps `div.data` true, for whoever reads the chart before Plotly is told. */
function note(div, figure, patch) {
  figure.data.forEach((trace, index) => {
    const change = dressed(patch.traces[trace.name] ?? {});
    for (const [path, value] of Object.entries(change)) setAt(div.data[index], path, value);
  });
}
