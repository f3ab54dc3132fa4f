/** Loads plotly.js once, after the page has been painted. */

import { variable } from "./look.js";

let loading = null;

function script(url) {
  return new Promise((resolve, reject) => {
    const tag = document.createElement("script");
    tag.src = new URL(url, document.baseURI).href;
    tag.async = true;
    tag.onload = () => resolve();
    tag.onerror = () => reject(new Error(`could not load ${tag.src}`));
    document.head.appendChild(tag);
  });
}

function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
}

/** Waits for style.css: colours are read from it, and a chart drawn before would be black. */
async function styled() {
  for (let frame = 0; frame < 300 && !variable("text"); frame += 1) await painted();
}

/** Resolves to Plotly; the address is `window.MERGESCOPE.plotly`. */
export function loadPlotly() {
  loading ??= (async () => {
    await painted();
    await Promise.all([window.Plotly ?? script(window.MERGESCOPE.plotly), styled()]);
    return window.Plotly;
  })();
  return loading;
}
