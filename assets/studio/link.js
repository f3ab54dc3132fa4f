/** Links that hold a merge: the recipe, the tab, what is looked at, and the pinned recipes. */

export const LONGEST = 32_000; // what mail and chat programs still pass on is shorter
export const MOST_PINS = 4;
const READ_AT_MOST = 200_000;
const TAB = /^[\w-]{1,40}$/;

function toText(coded) {
  const raw = atob(coded.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(raw, (c) => c.charCodeAt(0)));
}

function toCode(text) {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Writes a hash: #r=recipe&t=tab&k=share&x=tensor&p=pin&p=pin, recipes as base64url of their YAML.
 * What does not fit is left out: first the pins, then the recipe itself ("" is returned).
 * Somebody may write #tour=3 by hand, to open the tour at its third stop; no page writes that.
 */
export function encodeLink({ text, pins = [], tab = "", view = {} }) {
  const coded = (list) => [["r", toCode(text)], ["t", tab], ["k", view.topk === 0.2 ? "" : view.topk ?? ""], ["x", view.key ?? ""],
    ...list.map((pin) => ["p", toCode(pin)])].filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
  const whole = [coded(pins.slice(0, MOST_PINS)), coded([])].find((hash) => hash.length <= LONGEST);
  return whole ? `#${whole}` : "";
}

/** Reads a hash; `broken` says that it was meant to hold a recipe and does not. */
export function decodeLink(hash) {
  const found = { text: "", pins: [], tab: "", view: {}, tour: 0, broken: false };
  if (hash.length > READ_AT_MOST) return { ...found, broken: true };
  try {
    for (const [key, value] of new URLSearchParams(hash.slice(1).replaceAll("+", "%2B"))) {
      if (key === "r") found.text = toText(value);
      else if (key === "p" && found.pins.length < MOST_PINS) found.pins.push(toText(value));
      else if (key === "t" && TAB.test(value)) found.tab = value;
      else if (key === "k" && Number(value) > 0 && Number(value) <= 1) found.view.topk = Number(value);
      else if (key === "x" && value.length <= 300) found.view.key = value;
      else if (key === "tour" && /^\d{1,2}$/.test(value)) found.tour = Number(value);
    }
  } catch {
    return { ...found, text: "", pins: [], broken: true };
  }
  return { ...found, broken: /[#&]r=/.test(hash) && !found.text.trim() };
}

export const BROKEN = {
  kind: "error", what: "This link is damaged.", why: "It was cut or changed on its way, so it holds no recipe.",
  todo: "Ask for it again. What is on this page stays as it is.",
};
