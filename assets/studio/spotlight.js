/** Outlines what the tour speaks of, and brings it to where the card does not cover it. */

const MARK = "ms-spot";
const EDGE = 12; // pixels kept free around what is outlined
const WIDE = 900; // from here on the controls stand beside the charts
const CONTROLS = "button, a[href], input, select, textarea, summary, [tabindex='0']";
let moved = false; // whether somebody scrolled since a stop was opened: then the page stays where it is
let sheet = null; // the toggle of the sheet, while the tour holds it open

for (const type of ["wheel", "touchmove", "pointerdown"]) addEventListener(type, () => { moved = true; }, { passive: true });

/** What a selector finds on the open tab. */
const found = (selector) => [...document.querySelectorAll(selector)].filter((node) => node.getClientRects().length);

/** Outlines what a selector finds, and nothing else; null lets everything go. */
export function outline(selector) {
  const wanted = new Set(selector ? document.querySelectorAll(selector) : []);
  for (const node of document.querySelectorAll(`.${MARK}`)) if (!wanted.has(node)) node.classList.remove(MARK);
  for (const node of wanted) node.classList.add(MARK);
  if (sheet && ![...wanted].some(isInSheet)) sheet = (sheet.click(), null);
}

const isInSheet = (node) => Boolean(node.closest(".ms-sidebar__body, .ms-sidebar__foot"));

/** The first control of what is outlined; undefined where it has none. */
export function outlinedControl() {
  const inside = found(`.${MARK}`).flatMap((node) => [node, ...node.querySelectorAll(CONTROLS)]);
  return inside.find((node) => node.matches(CONTROLS) && !node.disabled && node.tabIndex >= 0 && node.getClientRects().length);
}

/** Scrolls until it can be seen beside the card; once it is measured only if nobody has scrolled meanwhile. */
export async function bringIntoSight(selector, card, { settled = false } = {}) {
  if (settled && moved) return;
  moved = settled && moved;
  await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }); // a tab that was just opened
  openSheet(selector);
  const nodes = found(selector);
  if (!nodes.length) return;
  const inSidebar = Boolean(nodes[0].closest(".ms-side"));
  card.classList.toggle("ms-tour--top", inSidebar && innerWidth < WIDE);
  card.classList.remove("ms-tour--left");
  if (inSidebar) {
    nodes[0].scrollIntoView({ block: "nearest" });
    return;
  }
  // Beside what is too high to end above it; on a phone there is no beside.
  const box = around(nodes);
  card.classList.toggle("ms-tour--left", innerWidth >= WIDE && box.bottom - box.top > roomFor(box, card));
  scrollBy({ top: distance(nodes, box, roomFor(box, card)), behavior: isStill() ? "instant" : "smooth" });
}

/** How high something may be to be seen beside or above the card. */
function roomFor(box, card) {
  const { left, right, top } = card.getBoundingClientRect();
  return (box.right > left && box.left < right ? top : innerHeight) - 2 * EDGE;
}

const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function openSheet(selector) {
  const node = document.querySelector(selector);
  const toggle = document.getElementById("ms-sheet");
  if (!node || !toggle || !isInSheet(node) || node.getClientRects().length || toggle.getAttribute("aria-expanded") === "true") return;
  toggle.click();
  sheet = toggle;
}

/** How far to scroll; where not all of it fits the first part counts, and of a panel its chart. */
function distance(nodes, box, room) {
  if (box.bottom - box.top <= room) return box.top >= EDGE && box.bottom <= room + EDGE ? 0 : box.top - EDGE;
  const chart = nodes[0].querySelector(".ms-panel__stage")?.getBoundingClientRect();
  return (chart ? Math.min(chart.top, Math.max(box.top, chart.bottom - room)) : box.top) - EDGE;
}

function around(nodes) {
  const boxes = nodes.map((node) => node.getBoundingClientRect());
  const [top, left] = ["top", "left"].map((side) => Math.min(...boxes.map((box) => box[side])));
  const [bottom, right] = ["bottom", "right"].map((side) => Math.max(...boxes.map((box) => box[side])));
  return { top, left, bottom, right };
}
