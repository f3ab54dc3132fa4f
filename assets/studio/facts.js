/** The table about the chosen method: needs, cost, laws, where it fails, paper, how sure. */

import { on, state } from "./conversation.js";
import { h } from "./dom.js";
import { methodOf } from "./method.js";

export function mountFacts(root) {
  const show = () => {
    const method = state.config && methodOf(state.draft.method);
    const open = root.querySelector("details")?.open ?? false;
    if (method && root.dataset.method !== method.name) root.replaceChildren(table(method, open));
    if (method) root.dataset.method = method.name;
  };
  on("rebuild", show);
  on("answer", show);
  show();
}

function table(method, open) {
  return h("details", { class: "ms-facts__details", open },
    h("summary", {}, `About ${method.title}`, h("span", {}, "what it needs and costs, where it fails, how sure we are")),
    h("table", {}, h("caption", {}, method.summary), h("tbody", {}, method.facts.map(row))));
}

function row(fact) {
  const said = fact.lines.length ? fact.lines : [fact.text];
  const cells = fact.link
    ? [h("a", { href: fact.link, target: "_blank", rel: "noopener noreferrer" }, fact.text)]
    : said.map((line) => h("p", {}, line));
  return h("tr", {}, h("th", { scope: "row" }, fact.name), h("td", {}, cells));
}
