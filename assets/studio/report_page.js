/** Sets a report in type: one document with everything in it, nothing to load and nothing that runs. */

import { h } from "./dom.js";
import { compared, comparedWith } from "./report_compared.js";
import { table } from "../viz/table.js";

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
const STYLE = `
:root { color-scheme: light; }
body { max-width: 900px; margin: 0 auto; padding: 24px 16px 64px; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif;
  font-variant-numeric: tabular-nums; color: #17202c; background: #fff; overflow-wrap: anywhere; }
h1 { margin: 0 0 4px; font-size: 26px; line-height: 1.2; } h2 { margin: 36px 0 8px; padding-top: 12px; font-size: 19px; border-top: 1px solid #dde2e9; }
h3 { margin: 24px 0 4px; font-size: 16px; } p { margin: 4px 0 8px; } .muted, figcaption, caption { color: #4a5667; font-size: 13px; }
.line, pre, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; }
pre { padding: 12px; overflow-x: auto; white-space: pre-wrap; background: #f5f6f8; border: 1px solid #dde2e9; border-radius: 8px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 10px; margin: 16px 0; padding: 0; list-style: none; }
.tiles li { padding: 10px 12px; border: 1px solid #dde2e9; border-radius: 10px; } .tiles .preview { border-style: dashed; border-color: #8a95a5; }
.tiles b { display: block; font-size: 22px; } .badge { display: inline-block; padding: 0 7px; font-size: 12px; color: #4a5667; border: 1px solid #dde2e9; border-radius: 9px; }
.badge.preview { border-style: dashed; border-color: #8a95a5; }
figure { margin: 12px 0 24px; padding: 12px; border: 1px solid #dde2e9; border-radius: 10px; break-inside: avoid; } figure.preview { border-style: dashed; border-color: #8a95a5; }
figcaption b { display: block; font-weight: 500; color: #17202c; }
.wide { overflow-x: auto; } .wide svg { display: block; width: 100%; min-width: 560px; height: auto; }
table { width: 100%; border-collapse: collapse; font-size: 13px; } caption { padding-bottom: 4px; text-align: left; }
th, td { padding: 4px 10px 4px 0; font-weight: 400; text-align: left; vertical-align: top; border-bottom: 1px solid #dde2e9; overflow-wrap: normal; }
tbody th { font-weight: 500; } thead th { color: #4a5667; font-weight: 600; } caption { position: sticky; left: 0; width: max-content; max-width: 90vw; }
details { margin-top: 8px; font-size: 13px; } summary { cursor: pointer; } :focus-visible { outline: 2px solid #1f4e79; outline-offset: 2px; }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 10px; padding: 0; list-style: none; } h4 { margin: 16px 0 6px; font-size: 14px; }
.ms-example { padding: 10px; border: 1px solid #dde2e9; border-radius: 10px; break-inside: avoid; } .ms-example__picture { width: 56px; height: 56px; image-rendering: pixelated; background: #000; }
.ms-example__label { font-size: 12px; color: #4a5667; } .ms-example__label b { display: block; font-size: 15px; color: #17202c; } .ms-example__passage { max-height: 108px; overflow-y: auto; font: 12px/1.5 ui-monospace, monospace; white-space: pre-wrap; }
.ms-sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media print { body { max-width: none; padding: 0; } .wide { overflow: visible; } .wide svg { min-width: 0; } h2, h3 { break-after: avoid; } }
`;

const wide = (label, ...inside) => h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": label }, ...inside);

function rows(data, label) {
  if (!data) return [];
  const words = data.caption ? h("p", { class: "muted" }, data.caption) : null;
  return [words, wide(label, table(data, h("caption", {}, label), Infinity))];
}

function badge({ kind, n, split }) {
  const words = [kind === "estimated" ? "preview" : kind, n === undefined || n === null ? "" : `n ${n.toLocaleString("en-GB")}`, split];
  return words.filter(Boolean).length ? h("span", { class: kind === "estimated" ? "badge preview" : "badge" }, words.filter(Boolean).join(" · ")) : null;
}

function tile(kpi) {
  const parts = [kpi.label, h("b", {}, kpi.value), kpi.delta?.words, kpi.note];
  return h("li", { class: kpi.kind === "estimated" ? "preview" : null },
    parts.filter(Boolean).map((part) => (typeof part === "string" ? h("div", { class: "muted" }, part) : part)), badge(kpi));
}

/** One chart: its picture, what to see, how to read it, its numbers; or why there is none. */
function chart(panel, { figure, card, svg }) {
  if (!figure) return h("section", {}, h("h3", {}, panel.title), h("p", { class: "muted" }, `Not drawn: ${card?.why ?? "it could not be drawn"} ${card?.todo ?? ""}`));
  const { meta } = figure;
  return h("section", {}, h("h3", {}, meta.title ?? panel.title), badge(meta),
    h("figure", { class: meta.kind === "estimated" ? "preview" : null }, wide(`Chart: ${meta.title ?? panel.title}`, svg),
      h("figcaption", {}, meta.look ? h("b", {}, meta.look) : null, meta.caption ?? "", panel.why ? h("div", {}, panel.why) : null)),
    meta.table ? h("details", {}, h("summary", {}, "Table"), rows(meta.table, `Numbers of “${meta.title}”`)) : null);
}

/** Returns the whole report as the text of one HTML file. */
export function reportPage(report, charts, hands = null) {
  const page = document.implementation.createHTMLDocument(`${report.title} · Mergescope report`);
  page.documentElement.lang = "en";
  page.head.prepend(h("meta", { charset: "utf-8" }), h("meta", { "http-equiv": "Content-Security-Policy", content: POLICY }),
    h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }));
  page.head.append(h("style", {}, STYLE));
  page.body.append(h("main", {},
    h("h1", {}, report.title), h("p", { class: "line" }, report.line),
    h("p", { class: "muted" }, `Made ${report.made}. Digest ${report.digest}.`),
    ...comparedWith(report),
    h("ul", { class: "tiles" }, report.kpis.map(tile)),
    h("h2", {}, "Scores"), ...rows(report.scores, "Scores by task"), h("p", { class: "muted" }, report.scores_note),
    ...report.sections.flatMap((section) => [h("h2", {}, section.title), ...section.panels.map((panel) => chart(panel, charts.get(panel.id) ?? {})),
      ...(section.id === "compare" ? compared(report, hands, rows) : [])]),
    h("h2", {}, "Settings"), h("p", {}, h("b", {}, report.method.title), `: ${report.method.summary}`),
    report.method.formula ? h("pre", {}, report.method.formula) : null,
    h("p", { class: "muted" }, `Source: ${report.method.paper}`), ...rows(report.settings, "Settings, filled in"),
    h("h2", {}, "Recipe"), h("p", { class: "muted" }, "Save it as recipe.yaml; python -m merger merge recipe.yaml --out merged makes the same bytes from the same weights."),
    h("pre", { id: "recipe" }, report.yaml),
    h("h2", {}, "Where it comes from"), ...rows(report.models, "Models in the recipe’s order"),
    h("p", { class: "muted" }, `Computed with ${Object.entries(report.versions).map(([name, number]) => `${name} ${number}`).join(", ")}.`),
    h("p", { class: "muted" }, "Dashed and “preview” is estimated; solid and “measured” is computed on all of the named split or on all weights. Orange means conflict and nothing else.")));
  return `<!doctype html>\n${page.documentElement.outerHTML}\n`;
}
