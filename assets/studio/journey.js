/** The way to here and on: undo and redo, links, and where a page starts. */

import { ask, connect, forget, load, notice, on, replaceDraft, send, show, state, takePins, tell } from "./conversation.js";
import { copy } from "./copy.js";
import { difference } from "./difference.js";
import * as steps from "./history.js";
import { BROKEN, decodeLink, encodeLink } from "./link.js";
import { comeBack } from "./sign_in.js";

on("rest", keep);

/** What is settled outlives a reload: the recipe in the address, the way to it beside. */
function keep() {
  if (!state.text) return;
  steps.keep(state.text);
  writeHash();
}

function hash() {
  return encodeLink({ text: state.text, pins: state.pins.map((pin) => pin.text), tab: state.tab, view: state.view });
}

function writeHash() {
  const now = hash();
  if (location.hash === now) return;
  // Path and query must stay: Plotly's clip paths break when they change.
  history.replaceState(null, "", location.pathname + location.search + now);
}

async function travel(draft) {
  if (!draft) return;
  notice(null);
  await show(draft);
}

/** Goes one step back, or on again, at once and without the server. */
export const undo = () => travel(steps.back());
export const redo = () => travel(steps.forward());

/** Says what undo and redo would do, in words; null where there is nothing to do. */
export function stepsInWords() {
  const titleOf = (name) => state.config.methods.find((method) => method.name === name)?.title ?? name;
  const [before, now, after] = [steps.before(), state.draft, steps.after()];
  return { undo: before && difference(before, now, titleOf), redo: after && difference(now, after, titleOf) };
}

/** A link to what is on this page; "" when the recipe is too long for one. */
export function permalink() {
  const query = new URLSearchParams(location.search);
  query.delete("__theme"); // light or dark is for whoever opens the link to choose
  const page = state.config.page_url || `${location.origin}${location.pathname}${query.size ? `?${query}` : ""}`;
  const now = hash();
  return now && `${page}${now}`;
}

/** Copies the link, with the word on the button that was pressed. */
export function copyLink(node) {
  const link = permalink();
  if (link) return copy(link, node);
  return notice({
    kind: "error", what: "This recipe is too long for a link.", why: `It has ${state.text.length.toLocaleString("en-GB")} characters.`,
    todo: "Download recipe.yaml under Recipe & export and send the file.",
  });
}

/** Opens the page where its link says, or where it was before a reload. */
export async function start(functions) {
  connect(functions);
  comeBack();
  const link = decodeLink(location.hash);
  const answer = await ask("open", { text: link.text, pins: link.pins });
  if (!answer.config) {
    notice(answer.error);
    return;
  }
  state.config = answer.config;
  Object.assign(state.view, link.view);
  steps.watchGestures();
  takePins(answer);
  listen();
  openTab(link.tab);
  const resumed = link.text && steps.resume(link.text, isOffered);
  await (resumed ? show(steps.present()) : replaceDraft(answer.draft));
  const fault = answer.error ?? answer.left_out ?? (link.broken ? BROKEN : null);
  if (fault) notice(fault);
  tell("started", link);
}

/** Says whether a kept draft still fits the models and methods that are here. */
function isOffered(draft) {
  const family = state.config.families.find((one) => one.id === draft.family);
  const names = new Set(family?.experts.map((expert) => expert.name));
  return draft.experts.length === names.size && draft.experts.every((row) => names.has(row.name))
    && state.config.methods.some((method) => method.name === draft.method);
}

function listen() {
  window.addEventListener("hashchange", follow);
  document.addEventListener("ms:offer", ({ detail }) => load(detail.text));
  document.addEventListener("ms:need", ({ detail }) => forget(detail?.panels ?? []));
  // A tab that was just opened holds panels that were left out so far.
  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (!tab) return;
    state.tab = tab.dataset.tabId ?? "";
    requestAnimationFrame(() => requestAnimationFrame(send));
  });
}

/** Somebody followed a link on this page, or changed the address by hand. */
async function follow() {
  const { text, pins, tab, view, tour, broken } = decodeLink(location.hash);
  if (broken) {
    notice(BROKEN);
    writeHash();
    return;
  }
  if (tour) tell("tour", tour);
  if (!text || location.hash === hash()) return;
  Object.assign(state.view, view);
  tell("view");
  openTab(tab);
  const answer = await load(text, { pins });
  if (answer.error) writeHash();
}

/** Opens a tab by its id; an unknown one changes nothing. */
export function openTab(id) {
  const tabs = [...document.querySelectorAll(".ms-tabs [role=tab]")];
  tabs.find((tab) => id && tab.dataset.tabId === id)?.click();
}
