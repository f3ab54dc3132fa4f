/** Gives a figure its colours, fonts and margins, read from the page's CSS variables at draw time. */

import { escapeData, escapeLabel } from "./text.js";

const COLOUR_KEY = /(color|colors|colorscale|colorway)$/;
const DATA_KEYS = new Set([
  "x", "y", "text", "hovertext", "customdata", "ticktext", "tickvals",
  "categoryarray", "label", "labels", "ids", "name", "legendgroup", "base",
]);
const TEMPLATES = new Set(["hovertemplate", "texttemplate"]);
const COLORWAY = ["expert-1", "expert-2", "expert-3", "expert-4",
  "expert-5", "expert-6", "expert-7", "expert-8"];

let given = null; // colours that stand in for those of the page

/** Returns one of our CSS variables: `variable("muted")` is `--ms-muted`. */
export function variable(name) {
  return given?.[name] ?? getComputedStyle(document.body).getPropertyValue(`--ms-${name}`).trim();
}

/** Calls `make` under other colours than the page's, by name; it must not wait for anything. */
export function withColours(colours, make) {
  given = colours;
  try {
    return make();
  } finally {
    given = null;
  }
}

/** Tells light from dark; panels drawn under another value are drawn again. */
export function themeName() {
  return document.body.classList.contains("dark") ? "dark" : "light";
}

function withAlpha(hex, alpha) {
  const part = (start) => parseInt(hex.slice(start, start + 2), 16);
  return /^#[0-9a-f]{6}$/i.test(hex) ? `rgba(${part(1)},${part(3)},${part(5)},${alpha})` : hex;
}

/** Turns "@muted", "@accent/0.3" or "@diverging" into a colour or a colour scale. */
export function resolveColour(token) {
  if (typeof token !== "string" || token[0] !== "@") return token;
  const [name, alpha] = token.slice(1).split("/");
  const stops = variable(`scale-${name}`).split(/\s*,\s*/).filter(Boolean);
  if (stops.length > 1) return stops.map((colour, i) => [i / (stops.length - 1), colour]);
  const colour = variable(name) || variable("text");
  return alpha === undefined ? colour : withAlpha(colour, alpha);
}

function colours(value) {
  return Array.isArray(value) ? value.map(colours) : resolveColour(value);
}

/** Copies a figure part with tokens resolved and text escaped; arrays of numbers are shared. */
export function dress(value, key = "") {
  if (COLOUR_KEY.test(key)) return colours(value);
  if (Array.isArray(value)) {
    if (DATA_KEYS.has(key)) return escapeData(value);
    return typeof value[0] === "number" ? value : value.map((item) => dress(item));
  }
  if (typeof value === "string") {
    if (TEMPLATES.has(key) || key === "text") return escapeLabel(value);
    return DATA_KEYS.has(key) ? escapeData(value) : value;
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, dress(v, k)]));
}

function axis(given) {
  const title = given.title;
  return {
    automargin: true, autotickangles: [0, 45, 90], fixedrange: true, zeroline: false, showline: false, ticks: "",
    gridcolor: variable("grid"), zerolinecolor: variable("axis"), linecolor: variable("axis"),
    tickfont: { size: 12, color: variable("muted") },
    ...given,
    // plotly.js 3 and later ignore a plain string here
    title: {
      standoff: 10, font: { size: 12, color: variable("muted") },
      ...(typeof title === "string" ? { text: title } : title),
    },
  };
}

/** Returns a fresh layout with the house defaults below what the figure asks for. */
export function dressLayout(layout, height) {
  const given = dress(layout);
  const full = {
    height, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: variable("font"), size: 12, color: variable("text") },
    showlegend: false, dragmode: false, hovermode: "closest", bargap: 0.35,
    colorway: COLORWAY.map(variable),
    ...given,
    margin: { l: 8, r: 12, t: 8, b: 8, pad: 4, ...given.margin },
    legend: {
      orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom",
      bgcolor: "rgba(0,0,0,0)", itemclick: false, itemdoubleclick: false, ...given.legend,
      font: { size: 12, color: variable("muted"), ...given.legend?.font },
    },
    hoverlabel: {
      bgcolor: variable("card"), bordercolor: variable("axis"), align: "left", namelength: -1,
      ...given.hoverlabel,
      font: { family: variable("font"), size: 12, color: variable("text"), ...given.hoverlabel?.font },
    },
  };
  for (const key of new Set(["xaxis", "yaxis", ...Object.keys(given)])) {
    if (/^[xy]axis\d*$/.test(key)) full[key] = axis(given[key] ?? {});
  }
  return full;
}

// Scales of style.css on which --ms-cell-text is readable from end to end.
const EVEN_SCALES = new Set(["@diverging", "@sequential", "@conflicts"]);

/** Returns fresh traces; heatmaps get quiet gaps, readable cells and a slim colour bar. */
export function dressData(data) {
  return data.map((trace) => {
    const full = dress(trace);
    if (full.type !== "heatmap") return full;
    const bar = full.colorbar;
    return {
      xgap: 1, ygap: 1, hoverongaps: false, ...full,
      textfont: {
        size: 12, color: EVEN_SCALES.has(trace.colorscale) ? variable("cell-text") : "auto",
        ...full.textfont,
      },
      colorbar: {
        thickness: 10, outlinewidth: 0, len: 1, xpad: 8, ypad: 6, ticks: "", ...bar,
        tickfont: { size: 11, color: variable("muted"), ...bar?.tickfont },
      },
    };
  });
}

/** Returns the layout for a width: `meta.narrow` says what changes below so many pixels. */
export function fitted({ layout, meta: { narrow } }, width) {
  if (!narrow || width >= narrow.below) return layout;
  const changed = Object.entries(narrow.layout).map(([key, value]) => [key, { ...layout[key], ...value }]);
  return { ...layout, ...Object.fromEntries(changed) };
}

/** Returns traces for a picture: plotly makes selectors of uids, and ours are names with any letters. */
export function pictured(data) {
  return dressData(data.map(({ uid: _uid, ...trace }) => trace));
}
