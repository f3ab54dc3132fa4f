/**
 * The browser half of every chart: one channel in, events out.
 *
 * Python sends {seq, panels, kpis, notices, state, digest} through the hidden bus (viz/panel.py) and
 * `Mergescope.update` hands each part on. Parts older than the newest of their kind are dropped.
 *
 * In:   Mergescope.update(payload)                    object or JSON text
 *       Mergescope.panels.mount(element, id)          takes over a static card
 * Out:  "ms:click" {panel, customdata}                somebody chose a point, a cell, a curve
 *       "ms:state" (the payload's `state`)            for controls.js
 *       "ms:need"  {panels}                           a base figure is missing: send it again
 *       "ms:update" {seq}                             after a payload was handed on
 * Tests read `div.__seq` of `.ms-panel__chart`: the newest sequence number that is on screen.
 */

import * as kpis from "./viz/kpis.js";
import * as notices from "./viz/notices.js";
import * as panels from "./viz/panels.js";
import { themeName } from "./viz/look.js";

const BUSY_MS = 150;
const newest = { kpis: -1, notices: -1, state: -1 };
let busyTimer = 0;

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}

function isNew(part, seq) {
  if (seq < newest[part]) return false;
  newest[part] = seq;
  return true;
}

/** Hands one payload on to panels, strip, notices and controls. */
function update(payload) {
  const value = typeof payload === "string" ? JSON.parse(payload || "{}") : payload;
  if (value === null || typeof value !== "object" || !Number.isFinite(value.seq)) return;
  const { seq } = value;
  if (value.state && isNew("state", seq)) tell("ms:state", value.state);
  if (value.kpis && isNew("kpis", seq)) kpis.update(value.kpis);
  if (value.notices && isNew("notices", seq)) notices.update(value.notices);
  panels.update(seq, value.panels, value.digest);
  tell("ms:update", { seq });
}

/** Shows the thin bar at the top of the page while the server works for longer than a blink. */
function busy(on) {
  clearTimeout(busyTimer);
  if (!on) {
    document.body.classList.remove("ms-busy");
  } else {
    busyTimer = setTimeout(() => document.body.classList.add("ms-busy"), BUSY_MS);
  }
}

/** Connects the hidden component that carries payloads; Gradio calls back after each new value. */
function bus(props, watch) {
  // Gradio hands out reactive proxies: plain text avoids reading large arrays through them.
  const take = () => update(typeof props.value === "string" ? props.value : JSON.stringify(props.value ?? {}));
  watch("value", take);
  take();
}

window.Mergescope = {
  update, busy, bus, emit: panels.emit, panels: { mount: panels.mount, update: panels.update, redraw: panels.redraw },
  kpis: { mount: kpis.mount }, notices: { mount: notices.mount, toast: notices.toast },
};

// Cards may be mounted before this file has arrived: they leave their call in a queue.
const queue = (window.MERGESCOPE ??= {}).queue ?? [];
window.MERGESCOPE.queue = { push: (call) => call(window.Mergescope) };
queue.forEach((call) => call(window.Mergescope));

let theme = themeName();
new MutationObserver(() => {
  if (themeName() === theme) return;
  theme = themeName();
  panels.redraw();
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
window.addEventListener("beforeprint", panels.drawAll);
tell("ms:ready");
