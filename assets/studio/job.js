/** Merge for real: start a job, follow it across reloads, stop it, fetch the result. */

import { ask, notice, on, state } from "./conversation.js";
import { button, h, visitor } from "./dom.js";
import { adapterOf, adapterRank, found, isChecked, loss, onOutput } from "./output.js";

const FINISHED = new Set(["DONE", "CANCELLED", "FAILED", "INTERRUPTED"]);
const KEY = "mergescope-job";
let place = null;
let startButton = null;
let following = null;

export function mountJob(node) {
  place = h("div", { id: "ms-merge-job", class: "ms-job", role: "status", hidden: true });
  startButton = button("Merge for real", begin, { class: "ms-btn ms-btn--primary ms-btn--wide", id: "ms-merge",
    title: "Write the merged model to a folder, in the background" });
  node.replaceChildren(startButton, place);
  onOutput(() => {
    const rank = adapterRank();
    const of = adapterOf();
    startButton.textContent = rank ? `${of ? `Extract ${of} as` : "Merge into"} a LoRA adapter of rank ${rank}` : "Merge for real";
    startButton.title = rank ? "Write what changes as a LoRA adapter, in the background"
      : "Write the merged model to a folder, in the background";
  });
  // What is on screen is what is merged: while the draft is broken, the last text is another one.
  on("error", () => { startButton.disabled = true; });
  on("answer", () => { startButton.disabled = Boolean(following); });
  on("rebuild", () => { if (!following && stored()) follow(stored()); });
}

function stored() {
  try { return localStorage.getItem(KEY); } catch { return null; }
}

function store(id) {
  try { if (id) localStorage.setItem(KEY, id); else localStorage.removeItem(KEY); } catch { /* this page only */ }
}

async function begin() {
  startButton.disabled = true;
  const answer = await ask("merge", { text: state.text, visitor: visitor(), adapter: adapterRank(), of: adapterOf(), check: isChecked() });
  startButton.disabled = false;
  if (answer.error) {
    notice(answer.error);
    return;
  }
  store(answer.job.id);
  follow(answer.job.id);
}

/** Waits for each next snapshot; the server answers when something changed, so nothing is polled. */
async function follow(id) {
  following = id;
  let seen = null;
  while (following === id) {
    const answer = await ask("job", { id, visitor: visitor(), seen });
    if (following !== id) return;
    if (!answer.job) {
      following = null;
      place.hidden = true;
      store(null);
      return;
    }
    seen = answer.job.version;
    show(answer.job);
    if (FINISHED.has(answer.job.state)) {
      following = null;
      startButton.disabled = false;
      return;
    }
    startButton.disabled = true;
  }
}

function show(job) {
  place.hidden = false;
  place.dataset.state = job.state;
  place.className = `ms-job${job.state === "DONE" ? " ms-job--done" : FINISHED.has(job.state) ? " ms-job--failed" : ""}`;
  const parts = [h("div", { class: "ms-job__title" }, `${job.title} · ${job.words}`)];
  if (!FINISHED.has(job.state)) {
    const bar = h("progress", { class: "ms-job__bar", max: Math.max(1, job.total), value: job.done, "aria-label": "Merge progress" });
    parts.push(bar, h("p", { class: "ms-job__text" }, job.detail),
      button("Cancel", () => ask("cancel", { id: job.id, visitor: visitor() }), { id: "ms-cancel", class: "ms-btn ms-btn--danger" }));
  } else {
    parts.push(h("p", { class: "ms-job__text" }, job.detail));
    parts.push(...loss(job.adapter), ...found(job.checks));
    if (job.hint) parts.push(h("p", { class: "ms-job__text" }, job.hint));
    const row = h("div", { class: "ms-buttons" });
    if (job.download) row.append(h("a", { class: "ms-btn", href: job.download, download: "", id: "ms-download" }, `Download (${job.size})`));
    row.append(button("Dismiss", () => { store(null); place.hidden = true; }));
    parts.push(row);
  }
  place.replaceChildren(...parts);
}
