/**
 * What undo and redo walk over: whole drafts, so that nothing is asked of the server to go back.
 *
 * All changes of one gesture (a drag, a held arrow key) are one step. The steps outlive a reload.
 */

const MOST = 100;
const MOST_CHARS = 400_000; // a browser keeps about five million for a page
const KEY = "mergescope-history";
const HELD_MS = 800; // arrow keys on one slider within this time are one gesture

let past = []; // drafts as JSON text, oldest first; the last is the present one
let future = []; // what was undone, the next one last
let gesture = 0;
let recorded = -1; // the gesture that the present step belongs to
let moved = null; // the slider that the present gesture moves
let pressed = 0;

const isSlider = (node) => node?.type === "range";

/** Tells one gesture from the next by what hands do, so that no control has to say it. */
export function watchGestures() {
  const begin = () => { gesture += 1; moved = null; };
  const listen = (type, heard) => document.addEventListener(type, heard, true);
  for (const type of ["pointerdown", "click"]) listen(type, begin);
  listen("change", (event) => { if (!isSlider(event.target)) begin(); });
  listen("input", ({ target }) => {
    if (!isSlider(target) || target === moved) return;
    if (moved !== null) begin();
    moved = target;
  });
  listen("keydown", ({ target, repeat, timeStamp }) => {
    const held = isSlider(target) && target === moved && timeStamp - pressed < HELD_MS;
    if (!repeat && !held) begin();
    pressed = timeStamp;
  });
}

/** Keeps a draft as a step; one that belongs to the same thing takes the place of the last. */
export function record(draft, as = gesture) {
  const text = JSON.stringify(draft);
  if (past.at(-1) === text) return;
  if (past.length > 1 && recorded === as) past.pop();
  if (past.at(-1) !== text) past.push(text);
  future = [];
  recorded = as;
  trim();
}

function trim() {
  let chars = past.reduce((sum, text) => sum + text.length, 0);
  while (past.length > 2 && (past.length > MOST || chars > MOST_CHARS)) chars -= past.shift().length;
}

const draftOf = (text) => (text === undefined ? null : JSON.parse(text));

/** The draft before the present one, and the one that was undone last; null without one. */
export const before = () => (past.length > 1 ? draftOf(past.at(-2)) : null);
export const after = () => draftOf(future.at(-1));
export const present = () => draftOf(past.at(-1));

/** Goes one step back and returns the draft to show; null at the beginning. */
export function back() {
  if (past.length < 2) return null;
  future.push(past.pop());
  recorded = -1;
  return present();
}

/** Goes one step forward again and returns the draft to show; null at the end. */
export function forward() {
  if (!future.length) return null;
  past.push(future.pop());
  recorded = -1;
  return present();
}

/** Keeps the steps for a reload of this page, under the recipe they end with. */
export function keep(recipe) {
  try { sessionStorage.setItem(KEY, JSON.stringify({ recipe, past, future })); } catch { /* until the page closes */ }
}

/** Takes up the steps that end with a recipe, if they fit what is on offer now; says whether. */
export function resume(recipe, fits) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    const drafts = [...kept.past, ...kept.future].map(draftOf);
    if (kept.recipe !== recipe || !kept.past.length || !drafts.every(fits)) return false;
    ({ past, future } = kept);
    return true;
  } catch {
    return false;
  }
}
