/** One card per chart: keeps its figure, draws it when it can be seen, and only then. */

import { keepCursor } from "./cursor.js";
import { drawDots, thinned } from "./dots.js";
import { drawPatch, fold, merge, news } from "./figure.js";
import { renderHead } from "./head.js";
import { frameChosen, linkPanels, pointAtCell, watchPointer } from "./links.js";
import { dressData, dressLayout, fitted, themeName } from "./look.js";
import { errorCard } from "./notices.js";
import { loadPlotly } from "./plotly.js";
import { watchPoints } from "./points.js";
import { slide } from "./slide.js";
import { renderTable } from "./table.js";
import { copyTable, saveImage, saveTable } from "./tools.js";

const CONFIG = { displayModeBar: false, displaylogo: false, responsive: false, doubleClick: false };
const ZOOMS = { ...CONFIG, doubleClick: "reset" }; // a chart with `meta.zooms`
const NEAR = "400px";
const REST_MS = 200;
const panels = new Map();
let Plotly = null;
let scheduled = false;
let asked = new Set();
linkPanels(() => panels.values());

function slot(id) {
  if (!panels.has(id)) {
    panels.set(id, { id, seq: -1, rev: null, figure: null, waiting: null, early: null, full: false, error: null,
      root: null, div: null, owed: null, near: true, drawn: false, drawing: false, theme: null, dirty: false });
  }
  return panels.get(id);
}

/** Asks the server for a base figure that got lost on the way (one event for all of them). */
function need(panel) {
  if (asked.size === 0) {
    setTimeout(() => {
      const detail = { panels: [...asked] };
      asked = new Set();
      document.dispatchEvent(new CustomEvent("ms:need", { detail }));
    }, 50);
  }
  asked.add(panel.id);
}

function isWaitedFor(panel, rev) {
  return panel.figure === null || panel.early?.rev === rev;
}

function accept(panel, entry, seq) {
  const { base, patch, error, rev = null } = entry;
  const late = seq < panel.seq;
  if (late && !(base && isWaitedFor(panel, rev))) return;
  if (base) takeBase(panel, base, rev);
  if (!late) {
    panel.error = error ?? null;
    if (patch) takePatch(panel, patch, rev);
  }
  panel.seq = Math.max(panel.seq, seq);
  panel.dirty = true;
}

function takeBase(panel, base, rev) {
  panel.figure = { data: base.data, layout: base.layout ?? {}, meta: base.meta ?? {} };
  // A patch that overtook its base has been kept and is folded in now.
  if (panel.early?.rev === rev) fold(panel.figure, panel.early.patch);
  Object.assign(panel, { rev, full: true, waiting: null, early: null });
}

function takePatch(panel, patch, rev) {
  if (panel.figure !== null && rev === panel.rev) {
    const fresh = news(panel.figure, patch);
    fold(panel.figure, fresh);
    panel.waiting = merge(panel.waiting, fresh);
  } else {
    const before = panel.early?.rev === rev ? panel.early.patch : null;
    panel.early = { rev, patch: merge(before, patch) };
    need(panel);
  }
}

/** Takes the `panels` part of one payload: {id: {base?, patch?, error?, rev?}}, and whose merge it is. */
export function update(seq, entries, digest) {
  for (const [id, entry] of Object.entries(entries ?? {})) {
    if (entry) accept(slot(id), entry, seq);
  }
  // A panel that was left out of a payload shows the new merge as it is.
  if (digest) for (const panel of panels.values()) if (seq >= panel.seq) panel.digest = digest;
  schedule();
}

function canBeSeen(panel) {
  return panel.root?.isConnected && panel.near && panel.root.clientWidth > 40;
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const panel of panels.values()) flush(panel);
  });
}

function flush(panel) {
  if (panel.root && !panel.root.isConnected) return unmount(panel);
  if (!panel.dirty || panel.drawing || !canBeSeen(panel)) return undefined;
  if (panel.error) {
    panel.dirty = false;
    return showError(panel);
  }
  if (panel.figure === null) return undefined;
  renderHead(panel);
  if (Plotly === null) return undefined;
  panel.dirty = false;
  return draw(panel);
}

async function draw(panel) {
  const { div, seq, waiting } = panel;
  const theme = themeName();
  const full = panel.full || !panel.drawn || panel.theme !== theme;
  Object.assign(panel, { drawing: true, full: false, waiting: null, theme });
  try {
    if (full) {
      await drawWhole(panel);
    } else if (waiting && slide(div, panel.figure, waiting)) {
      owe(panel, waiting);
    } else if (waiting) {
      await redrawPatch(panel, waiting);
    }
    div.__seq = seq;
    div.__draws = (div.__draws ?? 0) + 1;
  } finally {
    panel.drawing = false;
    if (panel.dirty) schedule();
  }
}

function redrawPatch(panel, patch) {
  const whole = merge(panel.owed, patch);
  panel.owed = null;
  return drawPatch(Plotly, panel.div, panel.figure, whole).catch(() => drawWhole(panel));
}

/** Keeps what Plotly has not been told: it hears of a drag when the drag rests. */
function owe(panel, patch) {
  panel.owed = merge(panel.owed, patch);
  clearTimeout(panel.debt);
  panel.debt = setTimeout(() => pay(panel), REST_MS);
}

async function pay(panel) {
  if (!panel.owed || !panel.drawn || panel.full) return;
  if (panel.drawing) {
    owe(panel, {});
    return;
  }
  panel.drawing = true;
  try {
    await redrawPatch(panel, {});
  } finally {
    panel.drawing = false;
    if (panel.dirty) schedule();
  }
}

async function drawWhole(panel) {
  panel.owed = null;
  const { div, figure } = panel;
  const height = chartHeight(panel);
  div.style.height = `${height}px`;
  const layout = { ...dressLayout(fitted(figure, div.clientWidth), height), width: div.clientWidth };
  await Plotly.react(div, thinned(dressData(figure.data)), layout, figure.meta.zooms ? ZOOMS : CONFIG);
  panel.width = div.clientWidth;
  if (!panel.drawn) {
    panel.drawn = true;
    panel.root.classList.add("ms-panel--drawn");
    div.on("plotly_click", (event) => click(panel, event.points[0]));
    watchPointer(panel);
    watchPoints(panel);
    div.on("plotly_afterplot", () => drawDots(div));
    drawDots(div);
  }
  keepCursor(panel, Plotly, {
    choose: (value) => { if (panel.figure.meta.clickable) emit(panel.id, value); },
    visit: (cell, row, column) => pointAtCell(panel, row, column),
  });
  frameChosen();
}

function chartHeight(panel) {
  const { narrow, height } = panel.figure.meta;
  if (narrow?.height && panel.div.clientWidth < narrow.below) return narrow.height;
  return height ?? panel.figure.layout.height ?? panel.height;
}

/** Emits the click with the customdata as the server sent it, before any escaping. */
function click(panel, point) {
  const index = [point?.pointIndex ?? point?.pointNumber].flat();
  let value = panel.figure.data[point?.curveNumber]?.customdata;
  for (const i of index) value = value?.[i];
  if (value !== undefined && value !== null) emit(panel.id, value);
}

/** Tells the page that somebody chose a point: DOM event `ms:click` on document. */
export function emit(panel, customdata) {
  document.dispatchEvent(new CustomEvent("ms:click", { detail: { panel, customdata } }));
}

function showError(panel) {
  panel.root.querySelector(".ms-panel__error").replaceChildren(errorCard(panel.error));
  panel.root.classList.add("ms-panel--error");
  panel.div.__seq = panel.seq;
}

function unmount(panel) {
  if (panel.drawn) Plotly.purge(panel.div);
  panel.watch?.disconnect();
  panel.look?.disconnect();
  Object.assign(panel, { root: null, div: null, drawn: false, full: true, dirty: true, cursor: null, owed: null });
}

/** Takes over the static card inside `element`; a second mount of an id replaces the first. */
export function mount(element, id) {
  const panel = slot(id);
  const root = element.matches(".ms-panel") ? element : element.querySelector(".ms-panel");
  if (panel.root === root) return;
  if (panel.root) unmount(panel);
  const div = root.querySelector(".ms-panel__chart");
  Object.assign(panel, { root, div, height: div.clientHeight || parseFloat(div.style.height) || 280,
    near: false, dirty: true });
  panel.watch = new ResizeObserver(() => fit(panel));
  panel.watch.observe(root);
  panel.look = new IntersectionObserver((entries) => {
    panel.near = entries[entries.length - 1].isIntersecting;
    if (panel.near) fit(panel);
  }, { rootMargin: NEAR });
  panel.look.observe(root);
  wireTools(panel);
  loadPlotly().then((loaded) => {
    Plotly = loaded;
    schedule();
  });
}

function wireTools(panel) {
  panel.root.querySelector(".ms-panel__tools").addEventListener("click", (event) => {
    const tool = event.target.closest("[data-tool]");
    if (!tool || !panel.figure) return;
    if (tool.dataset.tool === "table") {
      const open = panel.root.classList.toggle("ms-panel--table");
      tool.setAttribute("aria-expanded", String(open));
      renderTable(panel);
    } else if (tool.dataset.tool === "tsv") {
      copyTable(panel, tool);
    } else if (tool.dataset.tool === "csv") {
      saveTable(panel);
    } else {
      loadPlotly().then((loaded) => saveImage(loaded, panel, tool.dataset.tool));
    }
  });
}

function fit(panel) {
  if (!panel.root?.isConnected) return flush(panel);
  if (!canBeSeen(panel)) return undefined;
  if (panel.drawn && panel.div.clientWidth !== panel.width) {
    panel.full = true;
    panel.dirty = true;
  }
  if (panel.dirty) schedule();
  return undefined;
}

/** Draws what has not been near the screen yet: a printed page shows everything. */
export function drawAll() {
  for (const panel of panels.values()) {
    panel.near = true;
    flush(panel);
  }
}

/** Draws every chart again, for a new theme. */
export function redraw() {
  for (const panel of panels.values()) {
    if (panel.figure && panel.root) Object.assign(panel, { full: true, dirty: true });
  }
  schedule();
}
