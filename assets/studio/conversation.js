/**
 * The page's one conversation with the server.
 *
 * A draft goes out; canonical text and figures come back. One request is in flight; while it is,
 * only the newest draft waits, so a drag never builds a queue and its last value is always shown.
 */

import { visitor } from "./dom.js";
import { record } from "./history.js";
import { shelf } from "./shelf.js";

const REST_MS = 250; // a drag that pauses this long is settled: full validation follows

const QUIET = new Set(["job", "models", "starts", "tour_words", "checkup", "hub_look", "hub_fetch", "hub_add"]); // what goes on in the background shows no busy bar

const listeners = new Map();
let server = null;
let seq = 0;
let inFlight = false;
let waiting = false;
let restTimer = 0;
let loading = 0;
const revs = {};
const stamps = {};

export const state = {
  config: null, draft: null, text: "", digest: "", line: "", notes: {}, sides: null, pins: [], reference: null, tab: "",
  view: { topk: 0.2, key: null }, settledSeq: 0,
  tried: null, turn: 0, answered: 0, replies: null, continued: null, // what is tried out on this page, and its answers
  get moving() { return inFlight; },
  get seq() { return seq; },
  get idle() { return seq > 0 && !loading && !inFlight && !waiting && state.settledSeq === seq; },
  get pin() { return state.pins[0] ?? null; },
};

/** Listens for "draft", "rebuild", "answer", "replies", "rest", "history", "pin", "view", "started", "tour" or "error". */
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

/** Says which functions of the server the page may call. */
export function connect(functions) {
  server = functions;
}

/** Calls a server function; an answer always comes, if only an error card. */
export async function ask(name, payload) {
  const slow = !QUIET.has(name);
  if (slow) window.Mergescope.busy(true);
  try {
    return await server[`ms_${name}`](JSON.stringify({ visitor: visitor(), shelf: shelf(state.draft?.family), ...payload }));
  } catch (error) {
    return { seq, error: {
      kind: "error", what: "The server did not answer.", why: String(error?.message ?? error),
      todo: "Check that the app still runs, then move a control again.",
    } };
  } finally {
    if (slow) window.Mergescope.busy(false);
  }
}

export function request() {
  const { draft, reference, view, pin, tried } = state;
  return { seq, draft, pin: pin?.text ?? null, second: state.pins[1]?.text ?? null, reference, view, tried, revs, stamps,
    visible: visiblePanels(), visitor: visitor() };
}

/** Asks about the page as it is; an answer to something tried before what is shown is left out. */
async function askHere(name, extra) {
  const { turn } = state;
  const answer = await ask(name, { ...request(), ...extra });
  if (turn < state.answered) {
    delete answer.panels?.answers;
    delete answer.replies;
  } else if (answer.replies) state.answered = turn;
  return answer;
}

function takeReplies({ replies }) {
  if (!replies) return;
  state.replies = replies;
  tell("replies");
}

let answered = false; // whether the card on screen came from the last request, and goes with it

export function notice(card, { stays = true } = {}) {
  answered = Boolean(card) && !stays;
  window.Mergescope.update({ seq: ++noticeSeq, notices: card ? [card] : [] });
}
// Notices have their own order in viz.js; numbers above every request keep them from being dropped.
let noticeSeq = 1e9;

/** Notes which figures and patches the page has, so that the server sends only what is new. */
function keepMarks(panels) {
  for (const [id, part] of Object.entries(panels ?? {})) {
    if (part.base) revs[id] = part.rev;
    if (part.error) delete revs[id];
    stamps[id] = part.stamp;
  }
}

/** Asks for something that goes with the recipe on the page, without moving it. */
export async function refresh(name, extra) {
  const answer = await askHere(name, extra);
  if (answer.error) notice(answer.error);
  else if (answer.panels && answer.seq === seq) {
    keepMarks(answer.panels);
    window.Mergescope.update({ seq, panels: answer.panels });
    takeReplies(answer);
  }
  return answer;
}

function accept(answer, settled) {
  if (!answer || answer.seq < seq) return false;
  // What cannot be merged has no numbers: those on screen are of the last merge that could be.
  document.body.classList.toggle("ms-stale", Boolean(answer.error));
  if (answer.error) {
    notice(answer.error, { stays: false });
    tell("error", answer.error);
    return false;
  }
  keepMarks(answer.panels);
  Object.assign(state, { text: answer.text, digest: answer.digest, line: answer.line, notes: answer.notes ?? {}, sides: answer.sides ?? null });
  if (answer.reference) state.reference = answer.reference;
  if (answered) notice(null);
  window.Mergescope.update({ seq: answer.seq, panels: answer.panels, kpis: answer.kpis, digest: answer.digest });
  takeReplies(answer);
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
    const answer = await askHere("preview");
    if (!waiting && accept(answer, false)) restTimer = setTimeout(settle, REST_MS, seq);
    else if (waiting && !answer.error) accept(answer, false);
  } while (waiting);
  inFlight = false;
}

async function settle(mine) {
  if (mine !== seq || inFlight) return;
  tell("rest");
  const answer = await askHere("settle");
  if (mine !== seq || answer.cancelled) return;
  // Large models are scored one after another: each answer shows what is known so far.
  if (accept(answer, !answer.more) && answer.more) settle(mine);
}

/** Changes the draft and asks for what it does. */
export function edit(change) {
  notice(null);
  change(state.draft);
  record(state.draft);
  tell("history");
  tell("draft");
  return send();
}

/** Shows a draft that is a step already; who works by keyboard stays where they are. */
export function show(draft) {
  state.draft = draft;
  const { id } = document.activeElement;
  tell("rebuild");
  tell("history");
  if (id && document.activeElement === document.body) document.getElementById(id)?.focus();
  return send();
}

/** Puts another draft in place of the present one: another family, a loaded recipe. */
export function replaceDraft(draft, as) {
  record(draft, as);
  return show(draft);
}

/** Changes what is looked at, not the recipe. */
export function look(change) {
  change(state.view);
  tell("view");
  return send();
}

/** Makes a recipe text the current one; answers with the error when it is not valid. */
export async function load(text, { as = Symbol("step"), pins } = {}) {
  loading += 1;
  const answer = await ask("load", { text, previous: state.draft, pins });
  loading -= 1;
  if (answer.error) {
    notice(answer.error);
    return answer;
  }
  if (pins) takePins(answer);
  notice(answer.left_out ?? null);
  await replaceDraft(answer.draft, as);
  return answer;
}

/** Makes what a link or the server names the pins of this page. */
export function takePins({ pins = [] }) {
  state.pins = pins;
  tell("pin");
}

/** Makes these the pins of the page, the first of which every tab compares with. */
export function setPins(pins) {
  takePins({ pins });
  return send();
}

/** Pins what is on the page, or lets the first pin go. */
export function togglePin() {
  const { text, line, pins } = state;
  return setPins(pins.length ? pins.slice(1) : [{ text, line }]);
}

/** Asks anew for panels whose figure got lost on the way. */
export function forget(panels) {
  for (const id of panels) { delete revs[id]; delete stamps[id]; }
  send();
}
