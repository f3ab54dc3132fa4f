/** Models of the hub: named, looked at by their headers, fetched in the background, opened. */

import { costs, problems } from "./checkup.js";
import { ask, load, on, state } from "./conversation.js";
import { button, h, visitor } from "./dom.js";
import { changeFamily } from "./experts.js";
import { follow, memory } from "./follow.js";
import { putOnShelf } from "./shelf.js";
import { signIn, signOut } from "./sign_in.js";

const job = memory("mergescope-fetch");
let node = null;
let base = null;
let experts = null;
let place = null;
let wanted = ""; // the recipe of a link that waits for these models
let turn = 0;

export function mountHub(root) {
  base = h("input", { id: "ms-hub-base", type: "text", placeholder: "organisation/name", autocomplete: "off", spellcheck: "false",
    onkeydown: (e) => { if (e.key === "Enter") look(); } });
  experts = h("textarea", { id: "ms-hub-experts", rows: "3", placeholder: "one a line: organisation/name\nor organisation/name@revision", autocomplete: "off", spellcheck: "false" });
  place = h("div", { class: "ms-hub__found", id: "ms-hub-found", role: "status" });
  const account = h("div", { class: "ms-hub__account" });
  node = h("details", { class: "ms-hub", id: "ms-hub", hidden: true }, h("summary", {}, "Models of the hub"), account,
    h("label", { class: "ms-hub__field" }, "Base", base),
    h("p", { class: "ms-help" }, "May be left empty where an expert's page names it."),
    h("label", { class: "ms-hub__field" }, "Experts", experts),
    h("div", { class: "ms-buttons" }, button("Look", look, { id: "ms-hub-look", title: "Read headers and configs; no weights are fetched" })), place);
  root.replaceChildren(node);
  on("started", () => {
    const { hub } = state.config;
    node.hidden = !hub;
    if (!hub) return;
    account.replaceChildren(...whose(hub));
    if (job.get()) resume();
  });
  document.addEventListener("ms:hub", ({ detail }) => {
    if (node.hidden) return;
    const plain = (source) => source.replace(/^(lora:)?hub:/, "");
    node.open = true;
    base.value = plain(detail.base);
    experts.value = detail.experts.map(plain).join("\n");
    wanted = detail.text ?? "";
    node.scrollIntoView({ block: "nearest" });
    look();
  });
}

/** Says with whose rights models are read. */
function whose({ own, login, user }) {
  const words = own ? "Read with the token of this machine." : user ? `Signed in as ${user}.`
    : login ? "Public models only, unless you sign in." : "Public models only: nobody can sign in here.";
  const action = own || !login ? null : user ? button("Sign out", signOut, { id: "ms-sign-out" })
    : button("Sign in with Hugging Face", signIn, { id: "ms-sign-in" });
  return [h("p", { class: "ms-help" }, words), action].filter(Boolean);
}

function say(...parts) {
  place.replaceChildren(...parts.filter(Boolean));
}

function trouble({ what, why, todo }) {
  say(h("p", { class: "ms-hub__trouble", role: "alert" }, h("b", {}, what), ` ${why}`), todo && h("p", { class: "ms-help" }, todo));
}

async function look() {
  const mine = ++turn;
  const named = experts.value.split(/[\n,]/).map((line) => line.trim()).filter(Boolean);
  say(h("p", { class: "ms-help" }, "Reading headers and configs …"));
  const answer = await ask("hub_look", { base: base.value, experts: named });
  if (mine !== turn) return;
  if (answer.error) trouble(answer.error);
  else show(answer.found);
}

function show({ id, base: found, guessed, checkup, fetch, ready }) {
  if (guessed) base.value = found;
  const open = fetch ? button(`Fetch ${fetch} and open`, () => begin(id), { id: "ms-hub-fetch", class: "ms-btn ms-btn--primary" })
    : button("Open", () => begin(id), { id: "ms-hub-fetch", class: "ms-btn ms-btn--primary" });
  say(guessed && h("p", { class: "ms-help" }, `Their pages name ${found} as the base.`),
    h("p", { class: "ms-checkup__verdict", "data-state": checkup.state }, checkup.verdict), costs(checkup.cost),
    ...problems(checkup.problems),
    checkup.models.length ? h("dl", { class: "ms-checkup__models" }, checkup.models.flatMap(({ name, words }) => [h("dt", {}, name), h("dd", {}, words)])) : null,
    checkup.licence && h("p", { class: "ms-help" }, checkup.licence),
    !fetch && ready && h("p", { class: "ms-help" }, "They are in this machine's cache already."),
    ready && h("div", { class: "ms-buttons" }, open));
}

async function begin(id) {
  const mine = ++turn;
  const answer = await ask("hub_fetch", { id });
  if (mine !== turn) return;
  if (answer.error) {
    trouble(answer.error);
    return;
  }
  job.set(JSON.stringify({ id, job: answer.job.id, wanted }));
  await watch(id, answer.job.id);
}

/** Takes up a fetch that a reload of the page left behind. */
function resume() {
  try {
    const kept = JSON.parse(job.get());
    wanted = kept.wanted ?? "";
    node.open = true;
    watch(kept.id, kept.job);
  } catch { job.set(null); }
}

async function watch(id, number) {
  const mine = ++turn;
  await follow(number, async (now) => {
    if (mine !== turn) return;
    if (now && !["DONE", "CANCELLED", "FAILED", "INTERRUPTED"].includes(now.state)) {
      progress(now);
      return;
    }
    job.set(null);
    if (!now) say();
    else if (now.state === "DONE") await open(id);
    else trouble({ what: now.state === "CANCELLED" ? "Not fetched." : "They could not be fetched.", why: now.detail, todo: now.hint });
  });
}

function progress(now) {
  const bar = h("progress", { class: "ms-job__bar", max: Math.max(1, now.total), value: now.done, "aria-label": "Fetching" });
  say(bar, h("p", { class: "ms-job__text" }, now.detail),
    h("div", { class: "ms-buttons" }, button("Cancel", () => ask("cancel", { id: now.id, visitor: visitor() }), { id: "ms-hub-cancel", class: "ms-btn ms-btn--danger" })));
}

/** Puts what was fetched on the list of models, and on screen. */
async function open(id) {
  const { family, error } = await ask("hub_add", { id });
  if (error) {
    trouble(error);
    return;
  }
  const { families } = state.config;
  state.config.families = [...families.filter((one) => one.id !== id), family];
  putOnShelf(id);
  say(h("p", { class: "ms-help" }, `Opened as “${family.title}”.`));
  node.open = false;
  const text = wanted;
  wanted = "";
  if (text) await load(text);
  else changeFamily(id);
}
