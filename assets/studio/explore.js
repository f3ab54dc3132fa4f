/** Above the Pareto chart: its axes, what it shows, and "Explore 64" with its progress. */

import { ask, notice, state } from "./conversation.js";
import { button, h, visitor } from "./dom.js";
import { FINISHED, follow, memory } from "./follow.js";
import { onTrials, refreshTrials, view } from "./trials.js";

const kept = memory("mergescope-explore");
const parts = {};
let running = null;

export function mountExplore(node) {
  const axis = (name, label) => {
    const select = h("select", { id: `ms-axis-${name}`, onchange: (e) => view({ [name]: e.target.value }) });
    parts[name] = select;
    return h("label", { class: "ms-explore__field" }, label, select);
  };
  parts.method = h("select", { id: "ms-filter-method", onchange: (e) => view({ method: e.target.value }) });
  parts.split = h("input", { type: "checkbox", id: "ms-test-values", onchange: (e) => view({ split: e.target.checked ? "test" : "validation" }) });
  parts.start = button("Explore 64", explore, { id: "ms-explore", class: "ms-btn ms-btn--primary" });
  parts.test = button("Score the front on test", scoreTest, { id: "ms-score-test", hidden: true });
  parts.words = h("p", { class: "ms-help", id: "ms-explore-words" });
  parts.job = h("div", { class: "ms-job", role: "status", hidden: true });
  parts.start.setAttribute("aria-describedby", parts.words.id);
  node.replaceChildren(h("section", { class: "ms-panel ms-explore", "aria-label": "What to show, and exploring" },
    h("div", { class: "ms-explore__row" }, axis("x", "Across"), axis("y", "Up"),
      h("label", { class: "ms-explore__field" }, "Method", parts.method),
      h("label", { class: "ms-explore__switch" }, parts.split, "Show test values"),
      h("span", { class: "ms-explore__buttons" }, parts.test, parts.start)),
    parts.words, parts.job));
  onTrials(show);
  if (kept.get()) attend(kept.get());
}

function options(select, list, value) {
  const key = JSON.stringify([list, value]);
  if (select.dataset.key === key) return;
  select.dataset.key = key;
  select.replaceChildren(...list.map(([name, words]) => h("option", { value: name, selected: name === value }, words)));
  select.value = value;
}

function show({ axes, methods, explore: can, table }) {
  const known = axes.known.map(({ name, title, empty }) => [name, empty ? `${title} (not known here)` : title]);
  options(parts.x, known, axes.x);
  options(parts.y, known, axes.y);
  const all = [["", "all methods"], ...methods.map(({ name, title, count }) => [name, `${title} (${count})`])];
  const chosen = state.view.pareto?.method ?? "";
  options(parts.method, all, all.some(([name]) => name === chosen) ? chosen : "");
  parts.words.textContent = can.why || can.words;
  parts.start.disabled = Boolean(can.why) || Boolean(running);
  parts.test.hidden = table.split !== "test" || !table.untested;
  parts.test.disabled = Boolean(running);
  parts.test.textContent = `Score the front on test (${table.untested})`;
}

const explore = () => begin("explore", {});
const scoreTest = () => begin("score_test", { view: state.view, pin: null });

async function begin(name, extra) {
  parts.start.disabled = parts.test.disabled = true;
  const answer = await ask(name, { draft: state.draft, visitor: visitor(), ...extra });
  if (answer.error) {
    notice(answer.error);
    parts.start.disabled = parts.test.disabled = false;
    return;
  }
  kept.set(answer.job.id);
  attend(answer.job.id);
}

/** Shows each snapshot of the job, and the points that came since the one before. */
async function attend(id) {
  running = id;
  let done = -1;
  await follow(id, async (job) => {
    draw(job);
    if (!job || FINISHED.has(job.state)) {
      running = null;
      kept.set(null);
    }
    if (job?.done !== done || !running) await refreshTrials();
    done = job?.done;
  });
}

function draw(job) {
  parts.job.hidden = !job;
  if (!job) return;
  const finished = FINISHED.has(job.state);
  parts.job.dataset.state = job.state;
  parts.job.className = `ms-job${finished && job.state !== "DONE" ? " ms-job--failed" : ""}`;
  const title = h("div", { class: "ms-job__title" }, `${job.title} · ${job.words}`);
  const text = h("p", { class: "ms-job__text" }, [job.detail, job.hint].filter(Boolean).join(" "));
  if (finished) {
    parts.job.replaceChildren(title, text, h("div", { class: "ms-buttons" },
      button("Dismiss", () => { parts.job.hidden = true; }, { class: "ms-btn ms-btn--quiet" })));
    return;
  }
  const old = parts.job.querySelector("#ms-explore-cancel"); // keeps the focus while numbers move
  const stop = old ?? button("Cancel", () => ask("cancel", { id: running, visitor: visitor() }), { id: "ms-explore-cancel", class: "ms-btn ms-btn--danger" });
  const bar = h("progress", { class: "ms-job__bar", max: Math.max(1, job.total), value: job.done, "aria-label": "Progress" });
  for (const node of [...parts.job.children]) if (node !== old) node.remove();
  parts.job.prepend(title, bar, text);
  if (!old) parts.job.append(stop);
}
