/** The sidebar and the recipe tab: builds them, and starts the conversation with the server. */

import { look, on, redo, start, state, togglePin, undo } from "./studio/conversation.js";
import { button, h } from "./studio/dom.js";
import { mountExperts } from "./studio/experts.js";
import { mountJob } from "./studio/job.js";
import { mountKeys, toggleHelp } from "./studio/keys.js";
import { mountKnobs, sliderRow } from "./studio/knobs.js";
import { mountMethod } from "./studio/method.js";
import { mountRecipe } from "./studio/recipe.js";
import { edit } from "./studio/conversation.js";

function section(title, node, extra) {
  return h("section", { class: "ms-section" }, h("h2", {}, title), extra, node);
}

function buildSidebar(root) {
  const part = () => h("div", {});
  const [experts, method, knobs, weights, after, job] = Array.from({ length: 6 }, part);
  const line = h("p", { class: "ms-recipe-line", id: "ms-line" });
  const mark = h("p", { class: "ms-note", id: "ms-digest" });
  const undoButton = button("Undo", undo, { id: "ms-undo", title: "Undo (z)" });
  const redoButton = button("Redo", redo, { id: "ms-redo", title: "Redo (Shift+z)" });
  const pinButton = button("Pin", togglePin, { id: "ms-pin", title: "Pin this merge and compare with it (p)", "aria-pressed": "false" });
  const equal = button("Equal", () => edit((draft) => draft.experts.forEach((row) => { row.weight = 1; })),
    { id: "ms-equal", title: "All coefficients 1" });
  const help = button("?", toggleHelp, { id: "ms-help", title: "Keys", "aria-label": "Help: keys" });
  root.replaceChildren(h("div", { class: "ms-sidebar" },
    section("Experts", experts), section("Method", method), section("Settings", knobs),
    section("Coefficients", weights, h("div", { class: "ms-buttons" }, equal, undoButton, redoButton, pinButton, help)),
    section("Afterwards", after), section("Recipe", h("div", {}, line, mark, job))));
  mountExperts(experts);
  mountMethod(method);
  mountKnobs(knobs, weights, after);
  mountJob(job);
  on("answer", () => {
    line.textContent = state.line;
    mark.textContent = `digest ${state.digest.slice(0, 12)}`;
    mark.title = state.digest;
  });
  on("history", () => {
    undoButton.disabled = !state.canUndo;
    redoButton.disabled = !state.canRedo;
  });
  on("pin", () => {
    pinButton.setAttribute("aria-pressed", String(Boolean(state.pin)));
    pinButton.textContent = state.pin ? "Unpin" : "Pin";
  });
  undoButton.disabled = redoButton.disabled = true;
}

/** The share slider above the overlap matrix: a view, not a part of the recipe. */
function buildTopk(root) {
  root.replaceChildren(sliderRow({ id: "ms-topk", label: "largest share k", low: 0.01, high: 1, step: 0.01,
    help: "Compare each expert's largest k of its changes.", get: () => state.view.topk,
    set: (value) => { if (value > 0 && value <= 1) look((view) => { view.topk = value; }); } }));
  on("view", () => root.firstChild.show());
}

document.addEventListener("ms:click", (event) => {
  const { panel, customdata } = event.detail;
  if (panel === "conflict-grid" && customdata) look((view) => { view.key = [customdata].flat()[0]; });
});

function begin() {
  const hook = window.MERGESCOPE.studio;
  if (!hook || hook.begun || !document.getElementById("ms-sidebar-root")) return false;
  hook.begun = true;
  buildSidebar(document.getElementById("ms-sidebar-root"));
  mountRecipe(document.getElementById("ms-recipe-root"));
  buildTopk(document.getElementById("ms-topk-root"));
  mountKeys();
  window.Mergescope.studio = state;
  start(hook.server);
  return true;
}

// Gradio mounts blocks one after another; the conversation starts when the last of ours is there.
if (!begin()) {
  const watcher = new MutationObserver(() => { if (begin()) watcher.disconnect(); });
  watcher.observe(document.body, { childList: true, subtree: true });
}
