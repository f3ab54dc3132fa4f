/** Good starts: places to begin from, each computed for these experts; and dice with a seed. */

import { ask, notice, on, replaceDraft, state } from "./conversation.js";
import { button, h, visitor } from "./dom.js";
import { FINISHED, follow, memory } from "./follow.js";

const kept = memory("mergescope-best"); // the job, and the method and experts that it is for
let menu = null;
let list = null;
let dice = null;
let job = null;
let asked = 0;
let attended = false;
let thrown = null; // the seed of the last throw, while nobody has typed another

export function mountStarts(node) {
  list = h("ul", { class: "ms-starts__list" });
  dice = throwing();
  job = h("div", { class: "ms-job", role: "status", hidden: true });
  menu = h("details", { class: "ms-starts", id: "ms-starts", ontoggle: refresh },
    h("summary", {}, "Good starts and dice"), list, job, dice.row, dice.said);
  node.replaceChildren(menu);
  on("answer", ({ settled }) => { if (settled) refresh(); });
  on("draft", () => list.querySelectorAll("[aria-pressed]").forEach((b) => b.setAttribute("aria-pressed", "false")));
  on("rebuild", () => { if (kept.get() && !attended) attend(kept.get()); }); // after a reload
}

const order = (more = {}) => ({ draft: state.draft, visitor: visitor(), ...more });

/** What a job was started for; its result is only used while this is still on the page. */
function frame({ family, method, experts } = state.draft) {
  return JSON.stringify([family, method, experts.filter((row) => row.on).map((row) => [row.name, row.step]).sort()]);
}

async function refresh() {
  if (!menu.open || !state.draft) return;
  const mine = ++asked;
  const answer = await ask("starts", order());
  if (mine !== asked) return;
  if (answer.error) {
    list.replaceChildren(h("li", { class: "ms-help" }, `${answer.error.why} ${answer.error.todo}`));
    return;
  }
  show(answer);
}

/** Writes into the entries that are there, so that a press is never lost to a new one. */
function show({ starts, dice: why }) {
  if (list.querySelectorAll("button").length !== starts.length) list.replaceChildren(...starts.map(entry));
  for (const start of starts) {
    const node = list.querySelector(`#ms-start-${start.name}`);
    node.setAttribute("aria-pressed", String(start.on));
    node.disabled = start.off || (start.name === "best" && Boolean(kept.get()));
    node.nextSibling.textContent = start.words;
  }
  for (const control of dice.row.querySelectorAll("button, input")) control.disabled = Boolean(why);
  if (why || dice.why) dice.said.textContent = why;
  dice.why = why;
}

function entry({ name, title }) {
  const id = `ms-start-${name}`;
  return h("li", {}, button(title, () => go(name), { id, "aria-describedby": `${id}-words` }), h("p", { class: "ms-help", id: `${id}-words` }));
}

/** Goes to a start: one step that can be undone. Where it must be searched first, a job does it. */
async function go(name, more = {}) {
  const answer = await ask("start", order({ name, ...more }));
  if (answer.error) notice(answer.error);
  else if (answer.job) {
    kept.set(JSON.stringify([answer.job.id, frame()]));
    attend(kept.get());
  } else await replaceDraft(answer.draft);
}

/** Shows how far the search is, and goes to the best when it is done. */
async function attend(text) {
  attended = true;
  const [id, wanted] = JSON.parse(text);
  for (const best of list.querySelectorAll("#ms-start-best")) best.disabled = true;
  await follow(id, async (now) => {
    if (now && !FINISHED.has(now.state)) {
      progress(id, now);
      return;
    }
    attended = false;
    kept.set(null);
    job.hidden = !now || now.state === "DONE";
    if (now) job.replaceChildren(h("p", { class: "ms-job__text" }, now.detail));
    if (now?.state === "DONE" && state.draft && frame() === wanted) await go("best", { explored: true });
    await refresh();
  });
}

function progress(id, now) {
  const old = job.querySelector("button"); // keeps the focus while numbers move
  const stop = old ?? button("Cancel", () => ask("cancel", { id, visitor: visitor() }), { id: "ms-best-cancel", class: "ms-btn ms-btn--danger" });
  for (const node of [...job.children]) if (node !== old) node.remove();
  job.prepend(h("div", { class: "ms-job__title" }, now.title),
    h("progress", { class: "ms-job__bar", max: Math.max(1, now.total), value: now.done, "aria-label": "Search: progress" }),
    h("p", { class: "ms-job__text" }, now.detail));
  if (!old) job.append(stop);
  job.hidden = false;
}

/** A seed and a button: the same seed throws the same settings for the same method and experts. */
function throwing() {
  const seed = h("input", { type: "number", id: "ms-dice-seed", class: "ms-knob__number", min: 0, step: 1, value: 1,
    oninput: () => { thrown = null; }, onkeydown: (e) => { if (e.key === "Enter") roll(true); } });
  const said = h("p", { class: "ms-help", id: "ms-dice-words", role: "status" });
  const roll = async (again) => {
    const now = Number(seed.value) + (!again && thrown !== null ? 1 : 0);
    const answer = await ask("dice", order({ seed: now }));
    if (answer.error) {
      notice(answer.error);
      return;
    }
    seed.value = thrown = now;
    said.textContent = `Seed ${now}: ${answer.words}.`;
    await replaceDraft(answer.draft);
  };
  const row = h("div", { class: "ms-starts__dice" },
    button("Throw the dice", () => roll(false), { id: "ms-dice", title: "Draw all sliders and coefficients; the next throw has the next seed" }),
    h("label", { for: "ms-dice-seed" }, "Seed"), seed);
  return { row, said };
}
