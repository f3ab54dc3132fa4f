/** The sidebar and the recipe tab: builds them, and starts the conversation with the server. */

import { mountChanged } from "./studio/changed.js";
import { mountCheckup } from "./studio/checkup.js";
import { mountCompare } from "./studio/compare.js";
import { look, on, state, togglePin } from "./studio/conversation.js";
import { button, h } from "./studio/dom.js";
import { mountExperts } from "./studio/experts.js";
import { mountExplore } from "./studio/explore.js";
import { mountFacts } from "./studio/facts.js";
import { mountHub } from "./studio/hub.js";
import { mountJob } from "./studio/job.js";
import { openHelp } from "./studio/help.js";
import { copyLink, redo, start, stepsInWords, undo } from "./studio/journey.js";
import { mountKeys } from "./studio/keys.js";
import { mountKnobs } from "./studio/knobs.js";
import { mountMethod } from "./studio/method.js";
import { mountMicroscope } from "./studio/microscope.js";
import { mountRecipe } from "./studio/recipe.js";
import { sliderRow } from "./studio/slider.js";
import { mountStarts } from "./studio/starts.js";
import { mountTour } from "./studio/tour.js";
import { mountTrials } from "./studio/trials.js";
import { mountTraining } from "./studio/training.js";
import { mountTry } from "./studio/try.js";

function section(title, node, aside) {
  return h("section", { class: "ms-section" }, h("h2", { class: "ms-section__title" }, title, aside), node);
}

/** On a small screen the controls are a sheet at the lower edge, where the thumb is. */
function sheet(body) {
  const toggle = h("button", { type: "button", class: "ms-sheet__toggle", id: "ms-sheet", "aria-expanded": "false",
    "aria-controls": "ms-controls", onclick: () => {
      const open = body.classList.toggle("ms-sidebar--open");
      toggle.setAttribute("aria-expanded", String(open));
    } }, "Controls");
  return toggle;
}

function buildSidebar(root) {
  const part = () => h("div", {});
  const [experts, hub, checkup, method, starts, knobs, after, job] = Array.from({ length: 8 }, part);
  const line = h("p", { class: "ms-recipe-line", id: "ms-line", tabindex: "0", "aria-label": "Recipe in one line" });
  const mark = h("span", { class: "ms-section__aside", id: "ms-digest" });
  const undoButton = button("Undo", undo, { id: "ms-undo", title: "Undo (z)" });
  const redoButton = button("Redo", redo, { id: "ms-redo", title: "Redo (Shift+z)" });
  const pinButton = button("Pin", togglePin, { id: "ms-pin", title: "Pin this merge and compare with it (p)", "aria-pressed": "false" });
  const link = button("Link", (e) => copyLink(e.target), { id: "ms-share", title: "Copy a link to this merge: recipe, pin and tab" });
  const help = button("?", openHelp, { id: "ms-help", title: "Help: keys, marks, numbers (?)", "aria-label": "Help" });
  const body = h("aside", { class: "ms-sidebar", "aria-label": "Recipe" });
  body.append(
    h("div", { class: "ms-sidebar__head" }, sheet(body),
      h("div", { class: "ms-buttons", role: "group", "aria-label": "History and comparison" },
        undoButton, redoButton, pinButton, link, help)),
    h("div", { class: "ms-sidebar__body", id: "ms-controls" }, section("Experts", h("div", {}, experts, hub, checkup)), section("Method", method),
      starts, section("Settings", knobs), section("Afterwards", after)),
    h("div", { class: "ms-sidebar__foot" }, section("Recipe", h("div", {}, line, job), mark)));
  root.replaceChildren(body);
  mountExperts(experts);
  mountHub(hub);
  mountCheckup(checkup);
  mountMethod(method);
  mountStarts(starts);
  mountKnobs(knobs, after);
  mountJob(job);
  on("answer", () => {
    line.textContent = line.title = state.line;
    mark.textContent = state.digest.slice(0, 12);
    mark.title = `Digest ${state.digest}`;
  });
  on("history", () => {
    const words = stepsInWords();
    for (const [node, what, key] of [[undoButton, "undo", "z"], [redoButton, "redo", "Shift+z"]]) {
      node.disabled = words[what] === null;
      node.title = `${node.textContent} (${key})${node.disabled ? "" : `: ${words[what]}`}`;
    }
  });
  on("pin", () => {
    pinButton.setAttribute("aria-pressed", String(Boolean(state.pin)));
    pinButton.textContent = state.pin ? "Unpin" : "Pin";
  });
  undoButton.disabled = redoButton.disabled = true;
}

/** The share slider above the overlap matrix: a view, not a part of the recipe. */
function buildTopk(root) {
  root.replaceChildren(sliderRow({ id: "ms-topk", label: "largest share of each expert's changes", symbol: "k", low: 0.01, high: 1, step: 0.01,
    help: "Compare each expert's largest k of its changes.", get: () => state.view.topk,
    set: (value) => { if (value > 0 && value <= 1) look((view) => { view.topk = value; }); } }));
  on("view", () => root.firstChild.show());
}

const MAPS = new Set(["conflict-grid", "cancelled"]); // a click on a cell looks into its tensor

document.addEventListener("ms:click", (event) => {
  const { panel, customdata } = event.detail;
  if (MAPS.has(panel) && customdata) look((view) => { view.key = [customdata].flat()[0]; });
});

// Gradio mounts blocks one after another, and those of a tab when it is first opened.
const ROOTS = {
  "ms-tour-root": mountTour,
  "ms-sidebar-root": (root) => {
    buildSidebar(root);
    mountKeys();
    window.Mergescope.studio = state;
    start(window.MERGESCOPE.studio.server);
  },
  "ms-recipe-root": mountRecipe,
  "ms-facts-root": mountFacts,
  "ms-microscope-root": mountMicroscope,
  "ms-topk-root": buildTopk,
  "ms-explore-root": mountExplore,
  "ms-trials-root": mountTrials,
  "ms-training-root": mountTraining,
  "ms-compare-root": mountCompare,
  "ms-changed-root": mountChanged,
  "ms-try-root": mountTry,
};

function mountWhatIsThere() {
  if (!window.MERGESCOPE.studio) return false;
  for (const [id, mount] of Object.entries(ROOTS)) {
    const root = document.getElementById(id);
    if (!root) continue;
    delete ROOTS[id];
    mount(root);
  }
  return Object.keys(ROOTS).length === 0;
}

if (!mountWhatIsThere()) {
  const watcher = new MutationObserver(() => { if (mountWhatIsThere()) watcher.disconnect(); });
  watcher.observe(document.body, { childList: true, subtree: true });
}
