/** The way into the tour: offered to a newcomer beside the title, later kept in the help. */

import { button, h } from "./dom.js";

/** What the button says: {at, of, minutes, begun}. */
export function label({ at, of, minutes, begun }) {
  return begun ? `Resume the tour (${at + 1} of ${of})` : `Take the tour (${minutes} min)`;
}

/**
 * Shows the way in, or nothing while the tour is on or once it is over.
 * `about` says how far a visitor is, `act` what the buttons do: {start, home, dismiss}.
 */
export function showOffer(place, about, act, { focus = false } = {}) {
  const wanted = (about.offered || about.begun) && !about.running && !about.over;
  place.replaceChildren(...(wanted ? [
    button(label(about), act.start, { id: "ms-tour-start" }),
    about.begun && button("Back to my recipe", act.home, { id: "ms-tour-mine", class: "ms-btn ms-btn--quiet" }),
    button("×", act.dismiss, { id: "ms-tour-dismiss", class: "ms-btn ms-btn--quiet", title: "Do not offer the tour; it stays in the help", "aria-label": "Do not offer the tour" }),
  ].filter(Boolean) : []));
  if (focus) place.querySelector("button")?.focus();
}

/** The entry in the help, written anew each time it opens. */
export function helpEntry(about, start) {
  const words = `About ${about.minutes} minutes, on the bundled experts. Your own merge is kept and comes back at the end.`;
  return [h("p", {}, words), button(about.running ? `Go on with the tour (${about.at + 1} of ${about.of})` : label(about), start, { id: "ms-help-tour" })];
}
