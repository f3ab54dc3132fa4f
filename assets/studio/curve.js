/** A small curve over depth whose points are dragged up and down by mouse, finger or arrow keys. */

const [WIDTH, HEIGHT, EDGE] = [260, 84, 10];
const SVG = "http://www.w3.org/2000/svg";

function svg(tag, props) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props)) node.setAttribute(key, value);
  return node;
}

/**
 * Draws values at evenly spaced depths. `move(i, value)` is called while a point is dragged,
 * `hold()` when a drag begins, and `restore()` where it is given up with Escape. Who uses a screen reader has the sliders
 * beside it, so the drawing is hidden from them.
 */
export function curve({ low, high, step, move, hold, restore }) {
  const line = svg("polyline", { class: "ms-depth__line" });
  const zero = svg("line", { class: "ms-depth__zero", x1: 0, x2: WIDTH });
  const node = svg("svg", { class: "ms-depth__curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  node.append(zero, line);
  let [from, to] = [low, high]; // what the drawing spans; it stays while a point is held
  let values = [];
  let held = null;
  const dots = [];
  const x = (i) => EDGE + (values.length > 1 ? i / (values.length - 1) : 0.5) * (WIDTH - 2 * EDGE);
  const y = (v) => EDGE + (1 - (v - from) / (to - from)) * (HEIGHT - 2 * EDGE);

  const show = (now) => {
    values = now;
    if (held === null) [from, to] = [Math.min(low, ...values), Math.max(high, ...values)];
    while (dots.length > values.length) dots.pop().remove();
    while (dots.length < values.length) {
      dots.push(svg("circle", { r: 6, class: "ms-depth__dot", tabindex: -1 }));
      node.append(dots.at(-1));
    }
    line.setAttribute("points", values.map((v, i) => `${x(i)},${y(v)}`).join(" "));
    dots.forEach((dot, i) => { dot.setAttribute("cx", x(i)); dot.setAttribute("cy", y(values[i])); });
    zero.setAttribute("y1", y(0));
    zero.setAttribute("y2", y(0));
    zero.setAttribute("visibility", from < 0 && to > 0 ? "visible" : "hidden");
  };

  const at = (event) => {
    const box = node.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * WIDTH, ((event.clientY - box.top) / box.height) * HEIGHT];
  };
  const snap = (v) => Math.min(to, Math.max(from, Math.round(v / step) * step));
  const drag = (event) => {
    if (held === null) return;
    move(held, snap(from + (1 - (at(event)[1] - EDGE) / (HEIGHT - 2 * EDGE)) * (to - from)));
  };
  const drop = () => { held = null; };
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || held !== null) return;
    const [px] = at(event);
    const index = Math.max(0, Math.min(values.length - 1, Math.round(((px - EDGE) / (WIDTH - 2 * EDGE)) * (values.length - 1))));
    held = index;
    hold();
    node.setPointerCapture(event.pointerId);
    event.preventDefault();
    dots[index].focus({ preventScroll: true });
    drag(event);
  });
  node.addEventListener("pointermove", drag);
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) node.addEventListener(type, drop);
  node.addEventListener("keydown", (event) => {
    const index = dots.indexOf(event.target);
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const to_ = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape" && held !== null) {
      drop();
      restore();
    } else if (by) move(index, values[index] + by * step * (event.shiftKey ? 10 : 1));
    else if (to_) dots[index + to_]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { node, show };
}
