/** What a card offers besides its chart: how sure it is, the picture as a file, the numbers. */

import { dressLayout, pictured, variable } from "./look.js";
import { asCsv, asTsv } from "./table.js";
import { el, escapeLabel, say, show } from "./text.js";

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

/** Builds the figure that is saved: with its title, on the card's background. */
function picture(panel) {
  const { figure, div } = panel;
  const height = (div.clientHeight || panel.height) + 40;
  const layout = dressLayout(figure.layout, height);
  return {
    data: pictured(figure.data),
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
  save(url, fileName(panel, format));
}

/** Says which chart of which merge a file holds. */
function fileName(panel, ending) {
  return ["mergescope", panel.id, panel.digest?.slice(0, 12)].filter(Boolean).join("-") + `.${ending}`;
}

function save(url, name) {
  const link = el("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** Copies the table for a spreadsheet, and says on the button whether it worked. */
export async function copyTable(panel, button) {
  let words = "Copied";
  try {
    await navigator.clipboard.writeText(asTsv(panel.figure.meta.table));
  } catch {
    words = "Use CSV"; // a page without a secure address may not write to the clipboard
  }
  say(button, words);
  setTimeout(() => say(button, "Copy"), 1500);
}

/** Saves the table as a file that spreadsheets open. */
export function saveTable(panel) {
  const url = URL.createObjectURL(new Blob([asCsv(panel.figure.meta.table)], { type: "text/csv" }));
  save(url, fileName(panel, "csv"));
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
