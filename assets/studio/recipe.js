/** The recipe as text: edited and checked as typed, copied, downloaded, linked. */

import { ask, load, on, permalink, state } from "./conversation.js";
import { button, h } from "./dom.js";
import { outputCard } from "./output.js";

const TYPING_MS = 250;
const COMMANDS = `python -m merger doctor recipe.yaml
python -m merger merge recipe.yaml --out merged
python -m merger score recipe.yaml --split test`;
let area = null;
let verdict = null;
let link = null;
let timer = 0;
let asked = 0;

export function mountRecipe(node) {
  area = h("textarea", { class: "ms-yaml", id: "ms-yaml", spellcheck: "false", rows: 18, "aria-label": "Recipe as YAML",
    "aria-describedby": "ms-yaml-verdict", oninput: typed });
  verdict = h("p", { class: "ms-yaml__verdict", id: "ms-yaml-verdict", role: "status" });
  link = h("input", { class: "ms-yaml__link", id: "ms-link", readonly: true, "aria-label": "Link to this recipe",
    onfocus: (e) => e.target.select() });
  node.replaceChildren(
    card("Recipe as YAML", "The merge on this page. Edit it here: it is checked as you type, and the page follows.",
      h("div", { class: "ms-yaml__editor" }, area, verdict),
      h("div", { class: "ms-buttons" },
        button("Copy YAML", (e) => copy(area.value, e.target), { id: "ms-copy-yaml" }),
        button("Download recipe.yaml", download, { id: "ms-download-yaml" }))),
    outputCard(card),
    card("Share and run", "The link holds the whole recipe; opening it needs nothing else.",
      link, h("div", { class: "ms-buttons" }, button("Copy link", (e) => copy(permalink(), e.target), { id: "ms-copy-link" })),
      h("p", { class: "ms-panel__caption" }, "On the command line, with the recipe you downloaded:"),
      h("pre", { class: "ms-command", tabindex: "0", "aria-label": "Commands" }, COMMANDS)));
  on("answer", show);
  if (state.text) show();
}

function card(title, caption, ...inside) {
  return h("section", { class: "ms-panel", "aria-label": title }, h("h3", { class: "ms-panel__title" }, title),
    h("p", { class: "ms-panel__caption" }, caption), ...inside);
}

function show() {
  if (document.activeElement !== area && area.value !== state.text) {
    area.value = state.text;
    say("", "");
  }
  link.value = permalink();
}

function say(kind, text) {
  verdict.dataset.kind = kind;
  verdict.textContent = text;
}

function typed() {
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
  if (answer.text !== state.text) await load(text);
}

async function copy(text, node) {
  const before = node.textContent;
  try {
    await navigator.clipboard.writeText(text);
    node.textContent = "Copied";
  } catch {
    node.textContent = "Press Ctrl+C";
    (text === area.value ? area : link).select();
  }
  setTimeout(() => { node.textContent = before; }, 1500);
}

function download() {
  const url = URL.createObjectURL(new Blob([state.text], { type: "application/yaml" }));
  h("a", { href: url, download: "recipe.yaml" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
