/** What a card offers besides its chart: the numbers as a table, the picture as a file. */

import { dressData, dressLayout, variable } from "./look.js";
import { el, escapeLabel, say, show } from "./text.js";

const MAX_ROWS = 1000;

/** Says whether the numbers are measured or estimated, on how many examples of which split. */
export function badge(node, meta) {
  const parts = [];
  if (meta.kind === "estimated") parts.push("preview");
  if (meta.kind === "measured") parts.push("measured");
  if (meta.n !== undefined && meta.n !== null) parts.push(`n ${show(meta.n)}`);
  if (meta.split) parts.push(meta.split);
  node.hidden = parts.length === 0;
  say(node, parts.join(" · "));
}

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

/** Fills the table behind the chart from meta.table = {columns, rows}, if it is open. */
export function renderTable(panel) {
  const place = panel.root.querySelector(".ms-panel__table");
  const table = panel.figure?.meta.table;
  panel.root.querySelector('[data-tool="table"]').hidden = !table;
  if (!panel.root.classList.contains("ms-panel--table") || !table) {
    place.replaceChildren();
    return;
  }
  const node = el("table");
  node.append(el("caption", "ms-sr", panel.figure.meta.title ?? panel.id));
  const head = el("thead");
  head.append(row(table.columns, "th"));
  const body = el("tbody");
  body.append(...table.rows.slice(0, MAX_ROWS).map((cells) => row(cells, "td")));
  node.append(head, body);
  place.replaceChildren(node);
  if (table.rows.length > MAX_ROWS) {
    place.append(el("p", "ms-help", `The first ${MAX_ROWS} of ${table.rows.length} rows.`));
  }
}

/** Builds the figure that is saved: with its title, on the card's background. */
function picture(panel) {
  const { figure, div } = panel;
  const height = (div.clientHeight || panel.height) + 40;
  const layout = dressLayout(figure.layout, height);
  return {
    data: dressData(figure.data),
    layout: {
      ...layout, width: Math.max(div.clientWidth, 480), paper_bgcolor: variable("card"),
      margin: { ...layout.margin, t: layout.margin.t + 44, l: layout.margin.l + 8, r: layout.margin.r + 8, b: layout.margin.b + 8 },
      title: {
        text: escapeLabel(figure.meta.title ?? ""), x: 0, xref: "container", xanchor: "left", pad: { l: 16 },
        y: 1, yref: "container", yanchor: "top", automargin: false,
        font: { size: 15, color: variable("text") },
      },
    },
  };
}

/** Saves the chart as a file in the browser; nothing goes to the server. */
export async function saveImage(Plotly, panel, format) {
  const figure = picture(panel);
  const { width, height } = figure.layout;
  if (figure.layout.title.pad) figure.layout.title.pad.t = 14;
  const url = await Plotly.toImage(figure, { format, width, height, scale: format === "png" ? 2 : 1 });
  const link = el("a");
  link.href = url;
  link.download = `mergescope-${panel.id}.${format}`;
  link.click();
}
