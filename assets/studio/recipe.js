/** The recipe as text: edited and checked as typed, copied, downloaded, linked. */

import { ask, load, on, state } from "./conversation.js";
import { copy, save } from "./copy.js";
import { button, h } from "./dom.js";
import { outputCard } from "./output.js";
import { copyLink, permalink } from "./journey.js";
import { reportControls } from "./report.js";

const TYPING_MS = 250;
const COMMANDS = `python -m merger doctor recipe.yaml
python -m merger merge recipe.yaml --out merged
python -m merger score recipe.yaml --split test`;
let area = null;
let verdict = null;
let link = null;
let timer = 0;
let asked = 0;
let sitting = 0; // what is typed in one sitting is undone in one step; what is pasted is another

export function mountRecipe(node) {
  area = h("textarea", { class: "ms-yaml", id: "ms-yaml", spellcheck: "false", rows: 18, "aria-label": "Recipe as YAML",
    "aria-describedby": "ms-yaml-verdict", onfocus: () => { sitting += 1; }, oninput: typed });
  verdict = h("p", { class: "ms-yaml__verdict", id: "ms-yaml-verdict", role: "status" });
  link = h("input", { class: "ms-yaml__link", id: "ms-link", readonly: true, "aria-label": "Link to this recipe",
    onfocus: (e) => e.target.select() });
  node.replaceChildren(
    card("Recipe as YAML", "The merge on this page. Edit it here: it is checked as you type, and the page follows.",
      h("div", { class: "ms-yaml__editor" }, area, verdict),
      h("div", { class: "ms-buttons" },
        button("Copy YAML", (e) => copy(area.value, e.target), { id: "ms-copy-yaml" }),
        button("Download recipe.yaml", () => save(state.text, "recipe.yaml", "application/yaml"), { id: "ms-download-yaml" }))),
    h("div", { class: "ms-recipe__side" },
      outputCard(card),
      card("Link", "It holds the recipe, what is pinned and which tab is open; opening it needs nothing else.",
        link, h("div", { class: "ms-buttons" }, button("Copy link", (e) => copyLink(e.target), { id: "ms-copy-link" }))),
      card("Report", "One file to send to somebody: every chart of every tab with its numbers, the settings, and where the models come from. It needs no network and runs nothing.",
        ...reportControls()),
      card("Command line", "With the recipe you downloaded:",
        h("pre", { class: "ms-command", tabindex: "0", "aria-label": "Commands" }, COMMANDS))));
  on("answer", show);
  if (state.text) show();
}

function card(title, caption, ...inside) {
  return h("section", { class: "ms-panel", "aria-label": title }, h("h2", { class: "ms-panel__title" }, title),
    h("p", { class: "ms-panel__caption" }, caption), ...inside);
}

function show() {
  if (document.activeElement !== area && area.value !== state.text) {
    area.value = state.text;
    say("", "");
  }
  link.value = permalink() || "This recipe is too long for a link: download it instead.";
}

function say(kind, text) {
  verdict.dataset.kind = kind;
  verdict.textContent = text;
}

function typed(event) {
  if (event.inputType?.startsWith("insertFrom")) sitting += 1;
  clearTimeout(timer);
  timer = setTimeout(check, TYPING_MS);
}

async function check() {
  const mine = ++asked;
  const text = area.value;
  const answer = await ask("lint", { text });
  if (mine !== asked) return;
  if (answer.error) {
    say("error", [answer.error.why, answer.error.todo].filter(Boolean).join(" "));
    return;
  }
  say("good", answer.words);
  if (answer.text !== state.text) await load(text, { as: `typed ${sitting}` });
}
