/** Text that came from a user: always text, never markup. */

const HARMLESS = /&lt;(\/?(?:b|i|br|sub|sup|extra)\/?)&gt;/g;

/** Makes one element; its content goes in as text, so a name can never become markup. */
export function el(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== "") node.textContent = text;
  return node;
}

/** Writes text only when it changed, so that idle updates cost no layout. */
export function say(node, text) {
  const next = text ?? "";
  if (node.textContent !== next) node.textContent = next;
}

/** Escapes a data string for Plotly, whose labels understand a subset of HTML; lines stay lines. */
export function escapeData(value) {
  if (typeof value === "string") {
    return value.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\n/g, "<br>");
  }
  return Array.isArray(value) ? value.map(escapeData) : value;
}

/** Escapes an authored label (title, template, annotation) but keeps line breaks and emphasis. */
export function escapeLabel(value) {
  return value.replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(HARMLESS, "<$1>");
}

/** Shows a number with at most four significant digits, anything else as it is. */
export function show(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-GB");
  return value.toLocaleString("en-GB", { maximumSignificantDigits: 4 });
}
