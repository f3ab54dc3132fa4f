/**
 * Clouds of many alike dots, drawn as a few paths.
 *
 * Plotly gives each dot a node and styles it anew on every zoom, twice where margins settle: 2,000
 * dots held a zoom for a fifth of a second. It keeps what it needs to know (hover, clicks, legend,
 * pictures to save) and is told to show one dot; the others are drawn here.
 */

const MANY = 300;
const SHADES = 8; // dots of one path do not darken each other; those of several do
const SVG = "http://www.w3.org/2000/svg";

function isCloud({ type, mode, x, marker = {} }) {
  return (type ?? "scatter") === "scatter" && mode === "markers" && x?.length > MANY
    && (marker.symbol ?? "circle") === "circle" && !marker.line
    && typeof marker.color === "string" && typeof marker.size === "number";
}

/** Returns traces for the screen: of a cloud Plotly shows a single dot. */
export function thinned(data) {
  return data.map((trace) => (isCloud(trace) ? { ...trace, marker: { ...trace.marker, maxdisplayed: 1 } } : trace));
}

/** Draws the dots of every cloud of a chart where they stand now. */
export function drawDots(div) {
  const { xaxis, yaxis } = div._fullLayout;
  for (const node of div.querySelectorAll(".scatterlayer > .trace")) {
    const { trace } = node.__data__?.[0] ?? {};
    const points = node.querySelector(":scope > .points");
    const isThinned = trace?.marker?.maxdisplayed === 1;
    points?.classList.toggle("ms-thinned", isThinned);
    const dots = node.querySelector(":scope > .ms-dots");
    if (isThinned) fill(dots ?? layer(points), div.data[trace.index], trace.marker, xaxis, yaxis);
    else dots?.remove();
  }
}

function layer(points) {
  const made = document.createElementNS(SVG, "g");
  made.setAttribute("class", "ms-dots");
  for (let i = 0; i < SHADES; i += 1) made.append(document.createElementNS(SVG, "path"));
  points.after(made);
  return made;
}

/** Lays the dots that are in sight: a line of no length with round ends is a dot. */
function fill(group, { x, y }, { color, size, opacity = 1 }, xaxis, yaxis) {
  const outlines = Array.from({ length: SHADES }, () => []);
  const room = size / 2;
  for (let i = 0; i < x.length; i += 1) {
    const [left, top] = Number.isFinite(x[i]) && Number.isFinite(y[i]) ? [xaxis.c2p(x[i]), yaxis.c2p(y[i])] : [NaN, NaN];
    const seen = left > -room && top > -room && left < xaxis._length + room && top < yaxis._length + room;
    if (seen) outlines[i % SHADES].push(`M${left.toFixed(1)},${top.toFixed(1)}h0`);
  }
  Object.assign(group.style, {
    fill: "none", stroke: color, strokeWidth: `${size}px`, strokeLinecap: "round", strokeOpacity: opacity, pointerEvents: "none",
  });
  [...group.children].forEach((path, i) => path.setAttribute("d", outlines[i].join("")));
}
