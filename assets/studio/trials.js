/** Every scored merge as a row: sorted, paged, pinned, noted, forgotten; and the points' own clicks. */

import { pinAs } from "./compare.js";
import { ask, load, notice, on, refresh, state } from "./conversation.js";
import { button, h, visitor } from "./dom.js";

const asked = { sort: "created", descending: true, page: 0 };
const listeners = [];
let place = null;
let held = null; // a page of rows that came while somebody was writing a note or was asked
let busy = false;
let again = false;

/** Listens for what each refresh brings: axes, methods, what can be explored. */
export function onTrials(fn) {
  listeners.push(fn);
}

/** Changes what the Pareto chart shows: {x, y, split, method}. */
export function view(change) {
  state.view.pareto = { ...state.view.pareto, ...change };
  asked.page = 0;
  return refreshTrials();
}

/** Asks for points and table as they are now; what is asked meanwhile is asked once more. */
export async function refreshTrials() {
  if (!isShown() || !state.draft) return;
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  do {
    again = false;
    const answer = await refresh("trials", { table: asked });
    if (answer.table) {
      show(answer);
      for (const fn of listeners) fn(answer);
    }
  } while (again);
  busy = false;
}

const isShown = () => Boolean(place?.getClientRects().length);

export function mountTrials(node) {
  place = h("section", { class: "ms-panel ms-trials", "aria-label": "Scored merges" });
  node.replaceChildren(place);
  place.addEventListener("focusout", () => setTimeout(() => {
    if (held && !isWriting()) show(held);
  }));
  on("answer", ({ settled }) => { if (settled) refreshTrials().then(learn); });
  document.addEventListener("ms:click", ({ detail }) => {
    if (detail.panel === "pareto" && detail.customdata?.[0]) goTo(detail.customdata[0]);
  });
  refreshTrials().then(learn);
}

let learning = false;

/** While the page rests, lets base and experts be scored by themselves, one after another. */
async function learn() {
  if (learning) return;
  learning = true;
  while (isShown() && state.idle) {
    const answer = await ask("models", { draft: state.draft });
    if (answer.error || !answer.more) break;
    await refreshTrials();
  }
  learning = false;
  if (isShown() && state.idle) refreshTrials();
}

/** Lets the sliders go where a merge was made; that is a step that can be undone. */
async function goTo(digest) {
  const answer = await ask("trial", { digest, visitor: visitor() });
  if (answer.error) notice(answer.error);
  else await load(answer.text);
}

/** Whether somebody writes a note or is asked about a deletion: rows that come meanwhile wait. */
const isWriting = () => place.contains(document.activeElement)
  && document.activeElement.matches("input, .ms-trials__forget[data-asked] button");

function show(answer) {
  held = isWriting() ? answer : null;
  if (held) return;
  const { table, room } = answer;
  const focus = place.contains(document.activeElement) ? document.activeElement.dataset.at : null;
  place.replaceChildren(
    h("div", { class: "ms-trials__head" },
      h("h2", { class: "ms-panel__title" }, "All scored merges"),
      h("div", { class: "ms-trials__tools" }, files())),
    h("p", { class: "ms-panel__caption" }, `${words(table)} ${room}`.trim()),
    table.total ? h("div", { class: "ms-trials__scroll", tabindex: "0", role: "region", "aria-label": "Scored merges, table" }, grid(table)) : empty(),
    table.pages > 1 ? pages(table) : "");
  if (focus) place.querySelector(`[data-at="${CSS.escape(focus)}"]`)?.focus();
}

function words({ total, split, tested }) {
  if (!total) return "Every merge that is scored on full validation is kept here, with its recipe.";
  const where = split === "test" ? `TEST values, of the ${tested.toLocaleString("en-GB")} that have them` : "validation values";
  return `${total.toLocaleString("en-GB")} merge${total === 1 ? "" : "s"}, ${where}; 95% intervals in brackets. ● is on the front of the axes above.`;
}

function empty() {
  return h("p", { class: "ms-empty" }, "Nothing here yet. Let the sliders rest for a moment, or press “Explore 64” above.");
}

function files() {
  return ["csv", "json"].map((format) => button(format.toUpperCase(), () => save(format),
    { class: "ms-btn ms-btn--quiet", id: `ms-export-${format}`, title: `Download the merges of this table as ${format.toUpperCase()}` }));
}

async function save(format) {
  const answer = await refresh("export", { format });
  if (!answer.text) return;
  const url = URL.createObjectURL(new Blob([answer.text], { type: format === "csv" ? "text/csv" : "application/json" }));
  h("a", { href: url, download: answer.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function grid({ columns, rows, split }) {
  const of = split === "test" ? " (test)" : "";
  const heads = [["pinned", "Pin"], ["words", "Recipe"], ...columns.map((c) => [c.key, c.title + of]), ["created", "When"], ["note", "Note"]];
  return h("table", { class: "ms-trials__table" },
    h("caption", { class: "ms-sr" }, "Scored merges"),
    h("thead", {}, h("tr", {}, heads.map(head), h("th", { scope: "col" }, h("span", { class: "ms-sr" }, "Actions")))),
    h("tbody", {}, rows.map(row)));
}

function head([key, title]) {
  const sorted = asked.sort === key ? (asked.descending ? "descending" : "ascending") : null;
  const mark = sorted ? (asked.descending ? " ↓" : " ↑") : "";
  return h("th", { scope: "col", "aria-sort": sorted }, h("button", { type: "button", class: "ms-trials__sort", "data-at": `sort-${key}`,
    onclick: () => {
      Object.assign(asked, { sort: key, descending: sorted ? !asked.descending : key !== "words", page: 0 });
      refreshTrials();
    } }, title + mark));
}

function row(trial) {
  const { digest } = trial;
  const pin = h("button", { type: "button", class: "ms-trials__pin", "data-at": `pin-${digest}`, "aria-pressed": String(trial.pinned),
    disabled: trial.shipped, title: trial.pinned ? "Let it go when old rows make room" : "Keep it when old rows make room, and mark it in the chart",
    "aria-label": `Pin ${trial.words}`, onclick: () => tell({ digest, pinned: !trial.pinned }) }, trial.pinned ? "★" : "☆");
  const go = h("button", { type: "button", class: "ms-trials__go", "data-at": `go-${digest}`, title: "Set the sliders to this merge",
    onclick: () => goTo(digest) }, trial.front ? `● ${trial.words}` : trial.words);
  const note = h("input", { type: "text", class: "ms-trials__note", maxlength: 2000, value: trial.note, disabled: trial.shipped,
    "aria-label": `Note on ${trial.words}`, onchange: (e) => tell({ digest, note: e.target.value }),
    onkeydown: (e) => { if (e.key === "Enter") e.target.blur(); } });
  const cells = trial.cells.map((text, i) => h("td", { class: "ms-num", title: trial.n[i] ? `n ${trial.n[i].toLocaleString("en-GB")}` : null }, text));
  const sides = h("span", { class: "ms-trials__sides" }, [0, 1].map((side) => compareAs(side, trial)));
  return h("tr", {}, h("td", {}, pin, sides), h("th", { scope: "row" }, go), cells,
    h("td", { title: new Date(trial.created * 1000).toLocaleString() }, when(trial.created) + (trial.drawn ? " · drawn" : "")),
    h("td", {}, note), h("td", {}, forget(trial)));
}

/** Puts a merge on one side of the Compare tab; B needs an A. */
function compareAs(side, { digest, words }) {
  const name = "AB"[side];
  return button(name, async () => {
    const answer = await ask("trial", { digest, visitor: visitor() });
    if (answer.error) notice(answer.error);
    else await pinAs(side, answer.text, words, digest);
  }, { class: "ms-trials__side", "data-at": `${name}-${digest}`, disabled: side > state.pins.length,
    "aria-pressed": String(state.pins[side]?.digest === digest), "aria-label": `Compare as ${name}: ${words}`,
    title: side > state.pins.length ? "Set A first" : `Make this merge ${name} of the Compare tab` });
}

function forget(trial) {
  const cell = h("span", { class: "ms-trials__forget" });
  const leave = () => {
    delete cell.dataset.asked;
    cell.replaceChildren(ask_);
  };
  const keep = () => {
    leave();
    if (held) show(held);
    else ask_.focus();
  };
  const ask_ = button("Delete", () => {
    const yes = () => {
      leave();
      tell({ digest: trial.digest, forget: true });
    };
    const no = button("Keep", keep, { class: "ms-btn ms-btn--quiet" });
    cell.replaceChildren(button("Delete for good", yes, { class: "ms-btn ms-btn--danger" }), no);
    cell.dataset.asked = "";
    no.focus();
  }, { class: "ms-btn ms-btn--quiet", disabled: trial.shipped, "aria-label": `Delete ${trial.words}` });
  cell.append(ask_);
  return cell;
}

async function tell(change) {
  const answer = await ask("annotate", { ...change, visitor: visitor() });
  if (answer.error) notice(answer.error);
  await refreshTrials();
}

function pages({ page, pages: count }) {
  const turn = (by) => { asked.page = page + by; refreshTrials(); };
  return h("div", { class: "ms-trials__pages" },
    button("Back", () => turn(-1), { disabled: page === 0, "data-at": "back" }),
    h("span", {}, `Page ${page + 1} of ${count}`),
    button("Next", () => turn(1), { disabled: page + 1 >= count, "data-at": "next" }));
}

function when(seconds) {
  const age = Date.now() / 1000 - seconds;
  if (age < 90) return "now";
  if (age < 5400) return `${Math.round(age / 60)} min ago`;
  return age < 129600 ? `${Math.round(age / 3600)} h ago` : new Date(seconds * 1000).toLocaleDateString();
}
