/** The report: measured, drawn chart by chart, saved as one file; it can be stopped at any time. */

import { still } from "../viz/still.js";
import { ask, notice, state } from "./conversation.js";
import { save } from "./copy.js";
import { button, h, visitor } from "./dom.js";
import { changedHands } from "./report_compared.js";
import { reportPage } from "./report_page.js";

const WIDTH = 720; // pixels a chart is drawn at; it scales with the page
let running = null;

/** The button, and while a report is made how far it is. */
export function reportControls() {
  const words = h("p", { class: "ms-job__text", role: "status", id: "ms-report-words" });
  const bar = h("progress", { class: "ms-job__bar", max: 1, value: 0, "aria-label": "Report progress", hidden: true });
  const begin = button("Download report", () => make(show), { id: "ms-report" });
  const stop = button("Cancel", () => cancel(), { id: "ms-report-cancel", class: "ms-btn ms-btn--danger", hidden: true });
  const show = ({ done = 0, total = 1, text, busy = true }) => {
    [bar.max, bar.value, words.textContent] = [total, done, text];
    [bar.hidden, stop.hidden, begin.disabled] = [!busy, !busy, busy];
  };
  return [h("div", { class: "ms-buttons" }, begin, stop), bar, words];
}

function cancel() {
  if (!running) return;
  running.stopped = true;
  ask("report", { stop: true, visitor: visitor() });
}

class Stopped extends Error {}

/** Makes the report of what is on the page now; what moves meanwhile has no say. */
async function make(show) {
  if (running) return;
  const mine = running = { stopped: false };
  const about = { text: state.text, pins: state.pins.map((pin) => pin.text), view: { ...state.view }, visitor: visitor(),
    draft: structuredClone(state.draft) };
  const call = async (name, more) => {
    const answer = await ask(name, { ...about, ...more });
    if (mine.stopped || answer.cancelled) throw new Stopped();
    if (answer.error) throw Object.assign(new Error(answer.error.what), { card: answer.error });
    return answer;
  };
  try {
    const report = await facts(call, show);
    const charts = await draw(report, call, show);
    const text = reportPage(report, charts, await changedHands(about, call));
    save(text, `mergescope-report-${report.digest.slice(0, 12)}.html`, "text/html");
    show({ busy: false, text: `Saved, ${(new Blob([text]).size / 1e6).toFixed(1)} MB.` });
  } catch (error) {
    const stopped = error instanceof Stopped;
    show({ busy: false, text: stopped ? "Cancelled; nothing was saved." : "" });
    if (!stopped) notice(error.card ?? { kind: "error", what: "The report could not be made.", why: String(error.message ?? error), todo: "Try again." });
  } finally {
    running = null;
  }
}

async function facts(call, show) {
  for (;;) {
    show({ text: "Measuring…" });
    const answer = await call("report", {});
    if (!answer.more) return answer.report;
  }
}

async function draw(report, call, show) {
  const wanted = report.sections.flatMap((section) => section.panels);
  const charts = new Map();
  for (const [done, panel] of wanted.entries()) {
    show({ done, total: wanted.length, text: `Drawing ${done + 1} of ${wanted.length}: ${panel.title}` });
    charts.set(panel.id, await one(await call("chart", { panel: panel.id }), report.colours));
  }
  return charts;
}

/** One chart that cannot be drawn is said to be so; the others are worth having. */
async function one({ figure, card }, colours) {
  if (!figure) return { card };
  try {
    return { figure, svg: await still(figure, colours, WIDTH) };
  } catch (error) {
    return { card: { why: String(error.message ?? error) } };
  }
}
