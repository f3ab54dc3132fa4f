/** What the charts of the Method tab are about: whose change, and in which layer. */

import { look, on, state } from "./conversation.js";
import { h } from "./dom.js";

const LAYERS = "layer-flow";

/** Mounts the two menus; the layers are those that the chart of layers shows. */
export function mountMicroscope(root) {
  const whose = menu("ms-whose", "Layers: whose change", () => names(), "all experts");
  const layer = menu("ms-layer", "River: which layer", () => layers(), "all layers");
  root.classList.add("ms-choices");
  root.replaceChildren(whose, layer);
  const show = () => { whose.show(); layer.show(); };
  for (const what of ["answer", "view"]) on(what, show);
  show();
}

function menu(id, label, list, all) {
  const key = id.slice(3);
  const select = h("select", { id, class: "ms-knob__number",
    onchange: () => look((view) => { view[key] = select.value || null; }) });
  const node = h("label", { class: "ms-choices__one" }, h("span", {}, label), select);
  const fill = () => {
    const chosen = state.view[key] ?? "";
    const values = ["", ...new Set([...list(), ...(chosen ? [chosen] : [])])];
    if (select.options.length !== values.length || values.some((v, i) => select.options[i].value !== v)) {
      select.replaceChildren(...values.map((value) => h("option", { value }, value || all)));
    }
    select.value = chosen;
  };
  select.addEventListener("focus", fill);
  select.addEventListener("pointerdown", fill);
  node.show = fill;
  return node;
}

function names() {
  return (state.draft?.experts ?? []).filter((row) => row.on).map((row) => row.alias || row.name);
}

function layers() {
  const chart = document.querySelector(`[data-panel=${LAYERS}] .ms-panel__chart`);
  return (chart?.data?.[0]?.customdata ?? []).map((at) => at?.[0]).filter(Boolean);
}

// A click on a layer shows its river, another one that of all.
document.addEventListener("ms:click", (event) => {
  const { panel, customdata } = event.detail;
  if (panel !== LAYERS || !customdata?.[0]) return;
  look((view) => { view.layer = view.layer === customdata[0] ? null : customdata[0]; });
});
