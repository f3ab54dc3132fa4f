/** The numbers behind a chart: a table on the card, copied or saved without surprises. */

import { el, show } from "./text.js";

const MOST_ROWS = 1000;

function row(cells, tag) {
  const tr = el("tr");
  cells.forEach((cell, i) => {
    const head = tag === "th" || i === 0;
    const node = el(head ? "th" : "td", typeof cell === "number" ? "ms-num" : "", show(cell));
    if (head) node.scope = tag === "th" ? "col" : "row";
    tr.append(node);
  });
  return tr;
}

/** Builds a table from {columns, rows}, its first column naming the rows. */
export function table({ columns, rows }, caption, most = MOST_ROWS) {
  const node = el("table");
  const [head, body] = [el("thead"), el("tbody")];
  head.append(row(columns, "th"));
  body.append(...rows.slice(0, most).map((cells) => row(cells, "td")));
  node.append(caption, head, body);
  return node;
}

/** Fills the table behind the chart from meta.table = {columns, rows}, if it is open. */
export function renderTable(panel) {
  const place = panel.root.querySelector(".ms-panel__table");
  const data = panel.figure?.meta.table;
  panel.root.querySelector('[data-tool="table"]').hidden = !data;
  for (const tool of panel.root.querySelectorAll("[data-tool=tsv], [data-tool=csv]")) {
    tool.hidden = !data || !panel.root.classList.contains("ms-panel--table");
  }
  if (!panel.root.classList.contains("ms-panel--table") || !data) {
    place.replaceChildren();
    return;
  }
  const title = panel.figure.meta.title ?? panel.id;
  place.replaceChildren(table(data, el("caption", "ms-sr", title)));
  place.tabIndex = 0; // a table that scrolls must be reachable by keyboard
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", `${title} Table`);
  if (data.rows.length > MOST_ROWS) {
    place.append(el("p", "ms-help", `The first ${MOST_ROWS} of ${data.rows.length} rows; copies hold them all.`));
  }
}

/** Keeps spreadsheets from taking a name for a formula, and a name from breaking its row. */
function safe(cell) {
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number") return String(cell);
  const text = String(cell).replace(/[\t\r\n]+/g, " ");
  return /^\s*[=+\-@]/.test(text) && !/^-?[\d.]+%?$/.test(text) ? `'${text}` : text;
}

/** Writes {columns, rows} as lines of tab-separated cells. */
export function asTsv({ columns, rows }) {
  return [columns, ...rows].map((cells) => cells.map(safe).join("\t")).join("\n");
}

/** Writes {columns, rows} as RFC 4180 does: what holds a comma or a quote is quoted. */
export function asCsv({ columns, rows }) {
  const quoted = (text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [columns, ...rows].map((cells) => cells.map((cell) => quoted(safe(cell))).join(",")).join("\r\n");
}
