/**
 * The guided tour: each stop sets the recipe, opens a tab, outlines what it speaks of, and says
 * what is measured there. It can be left and taken up again; the visitor's own merge is kept.
 */

import { ask, load, notice, on, state } from "./conversation.js";
import { visitor } from "./dom.js";
import { openTab } from "./journey.js";
import { bringIntoSight, outline } from "./spotlight.js";
import { closeCard, focusCard, say, showCard } from "./tour_card.js";
import { showOffer } from "./tour_offer.js";
import { onTrials } from "./trials.js";

const KEY = "mergescope-tour"; // how far a visitor is, and what was theirs: {at, mine, over, left}
const OPEN = "mergescope-tour-open"; // in this window only, so that a reload goes on: what the stop has set
let place = null;
let kept = null;
let at = -1; // the stop that is shown; −1 while no tour is on
let set = null; // the recipe and pins that the words are about
let card = null;
let turn = 0;
let known = false; // whether the words of this stop are there

const stops = () => state.config?.tour.stops ?? [];
const here = () => ({ text: state.text, pins: state.pins.map((pin) => pin.text) });
const minutes = (from = 0) => Math.max(1, Math.round(stops().slice(from).reduce((sum, stop) => sum + stop.seconds, 0) / 60));

function read(box, key) {
  try { return JSON.parse(box.getItem(key)); } catch { return null; }
}

function write(box, key, value) {
  try {
    if (value === null) box.removeItem(key);
    else box.setItem(key, JSON.stringify(value));
  } catch { /* this page only */ }
}

function remember(change) {
  kept = { at: 0, mine: null, over: false, ...kept, ...change };
  write(localStorage, KEY, kept);
}

/** Takes the place where the tour is offered. */
export function mountTour(node) {
  place = node;
  on("started", begin);
  on("tour", (number) => startTour(number - 1));
  on("answer", ({ settled }) => { if (settled) look(); });
  on("rebuild", () => { if (at >= 0) outline(stops()[at].at); });
  onTrials(() => { if (state.idle && stops()[at]?.tab === "pareto") look(); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || at < 0 || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    skip();
  });
}

function begin({ tour }) {
  const found = read(localStorage, KEY);
  kept = stops()[found?.at] ? found : null;
  const open = read(sessionStorage, OPEN);
  if (tour) startTour(tour - 1);
  else if (kept && open?.text) show(kept.at, open);
  else offer();
}

/** How far a visitor is, for those who offer the tour. */
export function progress() {
  return { at: kept?.at ?? 0, of: stops().length, minutes: minutes(), begun: Boolean(kept?.mine), over: Boolean(kept?.over),
    running: at >= 0, offered: Boolean(state.config?.tour.offered) };
}

const offer = (how) => { if (place) showOffer(place, progress(), { start: () => startTour(), home: () => finish(true), dismiss }, how); };

/** Begins the tour, or takes it up where it was left; stops are counted from 0. */
export async function startTour(index = kept?.at ?? 0) {
  if (!stops().length) return;
  if (at >= 0 && index === at) {
    focusCard();
    return;
  }
  const changed = kept?.mine && kept.left !== state.text; // who changed the merge since made it theirs
  if (at < 0 && (!kept?.mine || changed)) remember({ mine: { ...here(), tab: state.tab } });
  await go(Math.max(0, Math.min(index, stops().length - 1)));
}

/** Goes to a stop; its recipe is one step, which undo takes back. */
async function go(index) {
  const mine = ++turn;
  const stop = stops()[index];
  at = index;
  set = null;
  remember({ at, over: false });
  present();
  const answer = await ask("tour", { id: stop.id, visitor: visitor(), view: state.view });
  if (mine !== turn) return;
  openTab(stop.tab);
  if (answer.error) notice(answer.error);
  const loaded = answer.text ? await load(answer.text, { as: Symbol(stop.id), pins: answer.pins }) : {};
  if (mine !== turn || loaded.error) return;
  show(index, answer.text ? { text: answer.text, pins: answer.pins } : here());
}

/** Shows a stop whose recipe is there, after it was set or after a reload. */
function show(index, about) {
  at = index;
  set = about;
  write(sessionStorage, OPEN, set);
  present();
  outline(stops()[at].at);
  bringIntoSight(stops()[at].at, card);
  if (state.idle) look();
}

function present() {
  known = false;
  const [back, next] = [at > 0, at + 1 < stops().length];
  card = showCard({ stop: stops()[at], number: at + 1, of: stops().length, minutes: minutes(at),
    back: back && (() => go(at - 1)), next: next && (() => go(at + 1)), skip, home: () => finish(true), stay: () => finish(false) });
  offer();
}

/** Asks what is measured at this stop: once, or as often as there is more to say. */
async function look() {
  const stop = stops()[at];
  if (!stop || !set || (known && !stop.grows)) return;
  const mine = turn;
  if (stop.tab === "") set = here();
  const answer = await ask("tour_words", { id: stop.id, ...set, visitor: visitor(), view: state.view });
  if (mine !== turn || answer.cancelled) return;
  known = !answer.error;
  say(answer.words ?? answer.error.why);
  bringIntoSight(stop.at, card, { settled: true });
}

function close() {
  turn += 1;
  at = -1;
  set = null;
  write(sessionStorage, OPEN, null);
  outline(null);
  closeCard();
}

/** Leaves the tour; it goes on from here when somebody wants it to. */
function skip() {
  close();
  remember({ left: state.text });
  offer({ focus: true });
}

/** Ends the tour, with the visitor's own merge or with the one on the page. */
async function finish(home) {
  const mine = kept?.mine;
  close();
  remember({ at: 0, mine: null, over: true });
  offer();
  if (!home || !mine?.text) return;
  openTab(mine.tab || stops()[0].tab);
  scrollTo({ top: 0 });
  await load(mine.text, { as: Symbol("home"), pins: mine.pins });
}

/** Offers the tour no more; the help still does. */
function dismiss() {
  remember({ mine: null, over: true });
  offer();
}
