/**
 * The page's one conversation with the server.
 *
 * A draft goes out; canonical text and figures come back. One request is in flight; while it is,
 * only the newest draft waits, so a drag never builds a queue and its last value is always shown.
 */

import { decodeHash, encode, visitor } from "./dom.js";

const REST_MS = 250; // a drag that pauses this long is settled: full validation follows
const HISTORY = 100;

const listeners = new Map();
let server = null;
let seq = 0;
let inFlight = false;
let waiting = false;
let restTimer = 0;
let loading = 0;
const revs = {};
const stamps = {};
const past = [];
let future = [];

export const state = {
  config: null, draft: null, text: "", digest: "", line: "", notes: {}, pin: null, reference: null,
  view: { topk: 0.2, key: null }, settledSeq: 0,
  get seq() { return seq; },
  get idle() { return seq > 0 && !loading && !inFlight && !waiting && state.settledSeq === seq; },
  get canUndo() { return past.length > 1; },
  get canRedo() { return future.length > 0; },
};

/** Listens for "draft", "rebuild", "answer", "history", "pin" or "error". */
export function on(what, fn) {
  listeners.set(what, [...(listeners.get(what) ?? []), fn]);
}

export function tell(what, detail) {
  for (const fn of listeners.get(what) ?? []) fn(detail);
}

export function visiblePanels() {
  return [...document.querySelectorAll("[data-panel]")]
    .filter((node) => node.offsetParent !== null)
    .map((node) => node.dataset.panel);
}

/** Calls a server function; an answer always comes, if only an error card. */
export async function ask(name, payload) {
  const slow = name !== "job";
  if (slow) window.Mergescope.busy(true);
  try {
    return await server[`ms_${name}`](JSON.stringify(payload));
  } catch (error) {
    return { seq, error: {
      kind: "error", what: "The server did not answer.", why: String(error?.message ?? error),
      todo: "Check that the app still runs, then move a control again.",
    } };
  } finally {
    if (slow) window.Mergescope.busy(false);
  }
}

function request() {
  const { draft, reference, view, pin } = state;
  return { seq, draft, pin: pin?.text ?? null, reference, view, revs, stamps,
    visible: visiblePanels(), visitor: visitor() };
}

let answered = false; // whether the card on screen came from the last request, and goes with it

export function notice(card, { stays = true } = {}) {
  answered = Boolean(card) && !stays;
  window.Mergescope.update({ seq: ++noticeSeq, notices: card ? [card] : [] });
}
// Notices have their own order in viz.js; numbers above every request keep them from being dropped.
let noticeSeq = 1e9;

function accept(answer, settled) {
  if (!answer || answer.seq < seq) return false;
  if (answer.error) {
    notice(answer.error, { stays: false });
    tell("error", answer.error);
    return false;
  }
  for (const [id, part] of Object.entries(answer.panels ?? {})) {
    if (part.base) revs[id] = part.rev;
    if (part.error) delete revs[id];
    stamps[id] = part.stamp;
  }
  Object.assign(state, { text: answer.text, digest: answer.digest, line: answer.line, notes: answer.notes ?? {} });
  if (answer.reference) state.reference = answer.reference;
  if (answered) notice(null);
  window.Mergescope.update({ seq: answer.seq, panels: answer.panels, kpis: answer.kpis });
  if (settled) state.settledSeq = answer.seq;
  tell("answer", { settled });
  return true;
}

export async function send() {
  clearTimeout(restTimer);
  if (inFlight) {
    waiting = true;
    return;
  }
  inFlight = true;
  do {
    waiting = false;
    seq += 1;
    const answer = await ask("preview", request());
    if (!waiting && accept(answer, false)) restTimer = setTimeout(settle, REST_MS, seq);
    else if (waiting && !answer.error) accept(answer, false);
  } while (waiting);
  inFlight = false;
}

async function settle(mine) {
  if (mine !== seq || inFlight) return;
  remember();
  const answer = await ask("settle", request());
  if (mine !== seq || answer.cancelled) return;
  // Large models are scored one after another: each answer shows what is known so far.
  if (accept(answer, !answer.more) && answer.more) settle(mine);
}

function remember() {
  if (!state.text || past.at(-1) === state.text) return;
  past.push(state.text);
  if (past.length > HISTORY) past.shift();
  future = [];
  writeHash();
  tell("history");
}

function writeHash() {
  const hash = `#r=${encode(state.text)}`;
  if (location.hash === hash) return;
  // Path and query must stay: Plotly's clip paths break when they change.
  history.replaceState(null, "", location.pathname + location.search + hash);
}

/** Changes the draft and asks for what it does. */
export function edit(change) {
  notice(null);
  change(state.draft);
  tell("draft");
  return send();
}

/** Puts another draft in place of the present one: another family, a loaded recipe. */
export function replaceDraft(draft) {
  state.draft = draft;
  tell("rebuild");
  return send();
}

/** Changes what is looked at, not the recipe. */
export function look(change) {
  change(state.view);
  tell("view");
  return send();
}

/** Makes a recipe text the current one; answers with the error when it is not valid. */
export async function load(text) {
  loading += 1;
  const answer = await ask("load", { text, previous: state.draft });
  loading -= 1;
  if (answer.error) {
    notice(answer.error);
    return answer;
  }
  await replaceDraft(answer.draft);
  return answer;
}

async function travel(from, to) {
  if (from === past ? past.length < 2 : !from.length) return;
  to.push(from.pop());
  const target = from === past ? past.at(-1) : to.at(-1);
  const keep = future;
  await load(target);
  future = keep;
  writeHash();
  tell("history");
}

export const undo = () => travel(past, future);
export const redo = () => travel(future, past);

export function togglePin() {
  state.pin = state.pin ? null : { text: state.text, line: state.line };
  tell("pin");
  return send();
}

export function permalink() {
  const query = new URLSearchParams(location.search);
  query.delete("__theme"); // light or dark is for whoever opens the link to choose
  const page = state.config.page_url || `${location.origin}${location.pathname}${query.size ? `?${query}` : ""}`;
  return `${page}#r=${encode(state.text)}`;
}

export async function start(functions) {
  server = functions;
  const answer = await ask("open", { text: decodeHash(location.hash) });
  if (!answer.config) {
    notice(answer.error);
    return;
  }
  state.config = answer.config;
  await replaceDraft(answer.draft);
  if (answer.error) notice(answer.error);
  window.addEventListener("hashchange", () => {
    const text = decodeHash(location.hash);
    if (text && text !== state.text) load(text);
  });
  document.addEventListener("ms:need", (event) => {
    for (const id of event.detail?.panels ?? []) { delete revs[id]; delete stamps[id]; }
    send();
  });
  // A tab that was just opened holds panels that were left out so far.
  document.addEventListener("click", (event) => {
    if (event.target.closest("[role=tab]")) requestAnimationFrame(() => requestAnimationFrame(send));
  });
}
