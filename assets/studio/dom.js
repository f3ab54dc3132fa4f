/** Small helpers: elements from text (never markup), the visitor's secret, links. */

/** Builds an element; children that are strings become text nodes. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key === "colour") node.style.setProperty("--chip", value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** A button of the sidebar. */
export function button(label, onclick, props = {}) {
  return h("button", { type: "button", class: "ms-btn", onclick, ...props }, label);
}

let token = null;

/** A secret made in this browser: jobs belong to it, and nothing else is known of a visitor. */
export function visitor() {
  if (token) return token;
  try { token = localStorage.getItem("mergescope-visitor"); } catch { token = null; }
  if (!token || !/^[\w-]{20,60}$/.test(token)) {
    token = toBase64(crypto.getRandomValues(new Uint8Array(24)));
    try { localStorage.setItem("mergescope-visitor", token); } catch { /* lives as long as the page */ }
  }
  return token;
}

function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** A number as people write it: no trailing zeros, no binary dust, short enough for its field. */
export function short(value) {
  if (typeof value !== "number") return String(value);
  const text = String(Number(value.toPrecision(6)));
  return text.length > 8 ? value.toExponential(2).replace(/\.?0+e\+?/, "e") : text;
}

export function percent(value) {
  return `${(100 * value).toFixed(1)}%`;
}
