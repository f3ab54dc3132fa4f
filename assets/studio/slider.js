/** One slider with its number: the only widget that moves a recipe's values. */

import { h, short } from "./dom.js";

/**
 * One slider with its number. Values off the track are valid and stay as typed.
 * `kind` is "row" (one line, on an expert's card) or "knob" (label above the track); `neutral`
 * is where a double click on the track returns to.
 */
export function sliderRow({ id, kind = "knob", label, symbol, help, low, high, step, get, set, neutral, extra }) {
  const c = (part) => `ms-${kind}__${part}`;
  const back = typeof neutral === "number" ? () => set(neutral) : null;
  const range = h("input", { type: "range", class: c("track"), min: low, max: high, step, "aria-label": label,
    id: `${id}-track`, oninput: (e) => set(Number(e.target.value)), ondblclick: back });
  const number = h("input", { type: "number", class: c("number"), step: "any", "aria-label": `${label}, value`,
    id: `${id}-number`, onkeydown: (e) => { if (e.key === "Enter") e.target.blur(); }, onchange: (e) => {
      if (e.target.value !== "" && Number.isFinite(Number(e.target.value))) set(Number(e.target.value));
      else row.show();
    } });
  const words = kind === "knob" && h("label", { class: c("label"), for: `${id}-track` }, label,
    symbol && h("span", { class: "ms-knob__symbol" }, ` ${symbol}`));
  const row = h("div", { class: `ms-${kind}`, id, title: help || null }, words, extra, range, number);
  const share = (value) => Math.min(1, Math.max(0, (value - low) / (high - low)));
  if (back) range.style.setProperty("--mark", share(neutral));
  row.show = () => {
    const value = get();
    const known = typeof value === "number";
    range.value = known ? value : low;
    if (document.activeElement !== number) number.value = known ? short(value) : "";
    range.disabled = number.disabled = !known;
    const [from, to] = [Math.min(0, known ? value : 0), Math.max(0, known ? value : 0)];
    range.style.setProperty("--from", from > low ? share(from) : -1); // -1: from the very end
    range.style.setProperty("--to", share(to));
  };
  row.show();
  return row;
}
