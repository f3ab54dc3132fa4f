/** A figure as an SVG that stands on its own: no script, no address, no name it shares with another. */

import { dressLayout, fitted, pictured, withColours } from "./look.js";
import { loadPlotly } from "./plotly.js";

const ALLOWED_IMAGE = /^data:image\/png;base64,[\w+/=]+$/;
const ADDRESS = /url\(\s*(['"]?)[^)]*?#([^)'"]+)\1\s*\)/g; // plotly writes the page's own address before the #
let count = 0;

/** Draws a figure off screen in the given colours and returns an <svg> of this document. */
export async function still(figure, colours, width) {
  const Plotly = await loadPlotly();
  const height = figure.meta.height ?? 320;
  const dressed = withColours(colours, () => ({
    data: pictured(figure.data), layout: { ...dressLayout(fitted(figure, width), height), width, height },
  }));
  const url = await Plotly.toImage(dressed, { format: "svg", width, height });
  const text = decodeURIComponent(url.slice(url.indexOf(",") + 1));
  const svg = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  if (svg.localName !== "svg") throw new Error("the chart could not be drawn as an SVG");
  count += 1;
  clean(svg, `f${count}-`);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", figure.meta.alt ?? figure.meta.title ?? "");
  return svg;
}

/** Leaves nothing in that runs or loads, and gives every id a name of its own. */
function clean(svg, prefix) {
  for (const node of svg.querySelectorAll("script, foreignObject, style, iframe, animate, set")) node.remove();
  for (const node of [svg, ...svg.querySelectorAll("*")]) {
    for (const { name, value } of [...node.attributes]) {
      const plain = name.toLowerCase();
      if (plain.startsWith("on") || plain.startsWith("data-")) node.removeAttribute(name);
      else if (plain.endsWith("href") && !value.startsWith("#") && !ALLOWED_IMAGE.test(value)) node.removeAttribute(name);
      else if (plain === "id") node.setAttribute(name, prefix + value);
      else if (plain.endsWith("href") && value.startsWith("#")) node.setAttribute(name, `#${prefix}${value.slice(1)}`);
      else if (value.includes("url(")) node.setAttribute(name, value.replace(ADDRESS, (_all, _quote, id) => `url(#${prefix}${id})`));
    }
  }
}
