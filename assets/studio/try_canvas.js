/** A page to draw on, and examples for those who would rather not, or use no mouse. */

import { state } from "./conversation.js";
import { button, h } from "./dom.js";

const SIDE = 252; // pixels on screen: 9 for each of the model's 28
const LINE = 18;
const MOST_STROKES = 200;
const MOST_POINTS = 3900; // the server takes 4,000
const NEAR = 0.008; // points closer than this share of the page say nothing new

/** Builds the task's menu, the page and the example buttons; strokes go out as [x, y, x, y, …]. */
export function mountCanvas(replies, attempt, forget) {
  let strokes = [];
  let drawing = null;
  const page = h("canvas", { class: "ms-try__page", id: "ms-try-page", width: SIDE, height: SIDE, role: "img",
    "aria-label": "A page to draw on with mouse, finger or pen. By keyboard, take an example below." });
  const ink = page.getContext("2d");
  const tasks = h("select", { id: "ms-try-task", onchange: () => ask() },
    replies.tasks.map(({ name, title }) => h("option", { value: name }, title)));
  const classes = h("p", { class: "ms-help", id: "ms-try-classes" });
  const undo = button("Undo stroke", () => { strokes.pop(); redraw(); ask(); }, { id: "ms-try-undo" });
  const clear = button("Clear", () => { strokes = []; redraw(); ask(); }, { id: "ms-try-clear" });
  const example = button("Another example", () => another(1), { id: "ms-try-another", title: "An image of this task that no model was trained on" });
  const before = button("Back", () => another(-1), { id: "ms-try-before", "aria-label": "The example before" });

  /** Asks again what is tried, with the task that is chosen. */
  function ask() {
    const task = tasks.value;
    if (strokes.length || drawing) attempt({ task, strokes });
    else if (state.tried?.picture) attempt({ ...state.tried, task });
    else attempt({ task, example: state.replies?.asked?.number ?? 0 });
  }

  function another(step) {
    const { total } = replies.tasks.find(({ name }) => name === tasks.value);
    const at = state.replies?.asked?.number ?? -1;
    strokes = [];
    forget();
    redraw();
    attempt({ task: tasks.value, example: (Math.max(at, -1) + step + total) % total });
  }

  const place = (event) => {
    const box = page.getBoundingClientRect();
    const share = (at, from, size) => Math.round(1000 * Math.min(1, Math.max(0, (at - from) / size))) / 1000;
    return [share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)];
  };
  const count = () => strokes.reduce((sum, stroke) => sum + stroke.length / 2, 0);

  page.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || strokes.length >= MOST_STROKES || count() >= MOST_POINTS) return;
    event.preventDefault();
    page.setPointerCapture(event.pointerId);
    if (!strokes.length) { forget(); redraw(); }
    drawing = place(event);
    strokes.push(drawing);
    redraw();
    ask();
  });
  page.addEventListener("pointermove", (event) => {
    if (!drawing || count() >= MOST_POINTS) return;
    const [x, y] = place(event);
    if (Math.hypot(x - drawing.at(-2), y - drawing.at(-1)) < NEAR) return;
    drawing.push(x, y);
    redraw();
    ask();
  });
  for (const end of ["pointerup", "pointercancel"]) page.addEventListener(end, () => { drawing = null; });

  function redraw() {
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, SIDE, SIDE);
    Object.assign(ink, { strokeStyle: "#fff", fillStyle: "#fff", lineWidth: LINE, lineCap: "round", lineJoin: "round" });
    for (const stroke of strokes) {
      ink.beginPath();
      ink.moveTo(stroke[0] * SIDE, stroke[1] * SIDE);
      // A line to where it starts draws the dot of a single tap.
      ink.lineTo(stroke[0] * SIDE, stroke[1] * SIDE);
      for (let i = 2; i < stroke.length; i += 2) ink.lineTo(stroke[i] * SIDE, stroke[i + 1] * SIDE);
      ink.stroke();
    }
    undo.disabled = clear.disabled = !strokes.length;
  }

  redraw();
  const node = h("div", { class: "ms-try__draw" },
    h("label", { class: "ms-changed__field" }, "Task", tasks), classes, page,
    h("div", { class: "ms-buttons" }, undo, clear),
    h("div", { class: "ms-buttons" }, before, example));
  const show = ({ asked }) => {
    if (asked?.task && document.activeElement !== tasks) tasks.value = asked.task;
    const found = replies.tasks.find(({ name }) => name === tasks.value);
    classes.textContent = `Can answer: ${found.classes.join(" ")}`;
    if (asked && asked.number !== null && strokes.length && !drawing && !state.tried?.strokes) { strokes = []; redraw(); }
  };
  return { node, show };
}
