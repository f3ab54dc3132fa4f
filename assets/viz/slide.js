/**
 * Moves bars, their error bars and texts by hand.
 *
 * Plotly works out every default and every axis anew for each move, ten milliseconds for six bars.
 * A drag needs only new lengths and words; Plotly is told them once the drag rests.
 */

import { dressed, setAt } from "./figure.js";

const BAR = /^x$|^error_x\.(array|arrayminus)$|^customdata$/;
const WORDS = /^text$|^customdata$/;
const LENGTH = /^(M[-\d.e]+,[-\d.e]+V[-\d.e]+H)[-\d.e]+(V[-\d.e]+Z)$/;
const WHISKER = /^M[-\d.e]+(,[^H]+H)[-\d.e]+(.*)$/;

function nodesOf(div, index, layer) {
  const traces = div.querySelectorAll(`${layer} > .trace`);
  return [...traces].find((node) => node.__data__?.[0]?.trace?.index === index);
}

function isBar(trace) {
  return trace.type === "bar" && trace.orientation === "h" && !trace.base;
}

/** Lists what to write where: [node, attribute or null for its text, value]; null when unsure. */
function movesOf(div, figure, patch) {
  const moves = [];
  for (const [index, trace] of figure.data.entries()) {
    const paths = Object.keys(patch.traces[trace.name] ?? {});
    if (!paths.length) continue;
    const found = isBar(trace) && paths.every((path) => BAR.test(path)) ? bars(div, trace, index)
      : (trace.type ?? "scatter") === "scatter" && paths.every((path) => WORDS.test(path)) ? words(div, trace, index)
        : null;
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
