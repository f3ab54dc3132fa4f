/** Pictures of one's own: chosen, dropped or pasted, made small in this browser; and what models see. */

import { errorCard } from "../viz/notices.js";
import { state } from "./conversation.js";
import { button, h } from "./dom.js";

const SIDE = 84; // three pixels for each of the model's 28
const MOST_BYTES = 20_000_000;
const MOST_PIXELS = 60_000_000;
const KINDS = ["image/png", "image/jpeg"];

const told = (why, todo) => ({ kind: "error", what: "This picture cannot be used.", why, todo });

/** Reads a PNG or JPEG file as SIDE × SIDE grey bytes in base64; throws a card that says why not. */
async function readPicture(file) {
  if (!KINDS.includes(file.type)) throw told(`It must be a PNG or JPEG file, got ${file.type || "another kind"}.`, "Save it as PNG.");
  if (file.size > MOST_BYTES) throw told(`It must have at most ${MOST_BYTES / 1e6} MB, got ${(file.size / 1e6).toFixed(1)}.`, "Make it smaller.");
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw told("The file is damaged: this browser cannot read it.", "Open it elsewhere and save it again as PNG.");
  }
  const { width, height } = image;
  if (width * height > MOST_PIXELS) {
    image.close();
    throw told(`It must have at most ${MOST_PIXELS / 1e6} million pixels, got ${width} × ${height}.`, "Make it smaller.");
  }
  return grey(image);
}

/** The whole picture on a square page of the colour of its corner. */
function grey(image) {
  const page = new OffscreenCanvas(SIDE, SIDE);
  const ink = page.getContext("2d", { willReadFrequently: true });
  ink.imageSmoothingQuality = "high";
  ink.fillStyle = "#fff"; // what is transparent lies on white
  ink.fillRect(0, 0, SIDE, SIDE);
  ink.drawImage(image, 0, 0, 1, 1, 0, 0, SIDE, SIDE);
  const scale = SIDE / Math.max(image.width, image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  const [left, top] = [(SIDE - width) / 2, (SIDE - height) / 2];
  ink.fillStyle = "#fff";
  if (transparent(image)) ink.fillRect(left, top, width, height);
  ink.drawImage(image, left, top, width, height);
  image.close();
  const { data } = ink.getImageData(0, 0, SIDE, SIDE);
  let bytes = "";
  for (let i = 0; i < data.length; i += 4) bytes += String.fromCharCode(Math.round(0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2]));
  return btoa(bytes);
}

function transparent(image) {
  const dot = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  dot.drawImage(image, 0, 0, 1, 1, 0, 0, 1, 1);
  return dot.getImageData(0, 0, 1, 1).data[3] < 255;
}

/** Builds the choosing of a picture and the view of what models see. */
export function mountPictures(place, replies, attempt) {
  const taskNow = () => document.getElementById("ms-try-task")?.value ?? replies.tasks[0].name;
  const fault = h("div", { id: "ms-try-fault" });
  const file = h("input", { type: "file", id: "ms-try-file", class: "ms-sr", accept: KINDS.join(), tabindex: "-1", "aria-hidden": "true",
    onchange: () => { take(file.files[0]); file.value = ""; } });
  const choose = button("Upload a picture", () => file.click(), { id: "ms-try-upload", title: "PNG or JPEG; drop or paste one as well" });
  const box = (id, label, checked, help) => {
    const input = h("input", { type: "checkbox", id, checked, onchange: again });
    return [input, h("label", { class: "ms-try__switch", title: help }, input, label)];
  };
  const [like, likeRow] = box("ms-try-like", "make it like the task’s images", true, "Finds what stands out from the border, sizes and centres it, and captures it as the task’s images were");
  const [turn, turnRow] = box("ms-try-invert", "exchange light and dark", false, "For pictures that are taken as they are");
  const switches = h("div", { class: "ms-try__switches", hidden: true }, likeRow, turnRow);
  const seen = h("img", { class: "ms-try__seen", id: "ms-try-seen", width: 112, height: 112, alt: "" });
  const how = h("p", { class: "ms-help", id: "ms-try-how" });

  function again() {
    turn.disabled = like.checked;
    if (state.tried?.picture) attempt({ ...state.tried, task: taskNow(), like: like.checked, invert: turn.checked && !like.checked });
  }

  async function take(picture) {
    if (!picture) return;
    try {
      const data = await readPicture(picture);
      fault.replaceChildren();
      attempt({ task: taskNow(), picture: data, like: like.checked, invert: turn.checked && !like.checked });
    } catch (error) {
      fault.replaceChildren(errorCard(error.why ? error : told(String(error?.message ?? error), "Choose another one."), () => fault.replaceChildren()));
    }
  }

  listen(place, take);
  turn.disabled = true;
  const node = h("div", { class: "ms-try__pictures" },
    h("div", { class: "ms-buttons" }, choose), file, switches, fault,
    h("figure", { class: "ms-try__view" }, seen, h("figcaption", {}, h("b", {}, "What the models see"), how)));
  const show = ({ asked }) => {
    switches.hidden = !state.tried?.picture;
    if (!asked?.seen) return;
    seen.src = asked.seen;
    seen.alt = asked.truth === null ? "The image as the models see it" : `The image as the models see it, ${asked.truth}`;
    how.textContent = asked.truth === null ? `28 × 28 pixels. ${asked.how}` : `28 × 28 pixels. ${asked.how} Its label: ${asked.truth}.`;
  };
  return { node, show, forget: () => fault.replaceChildren() };
}

/** A picture may also be dropped on the tab, or pasted while it is open. */
function listen(place, take) {
  if (place.dataset.listens) return;
  place.dataset.listens = "yes";
  const pictureOf = (data) => [...(data?.files ?? [])][0];
  place.addEventListener("dragover", (event) => { event.preventDefault(); place.classList.add("ms-try--over"); });
  place.addEventListener("dragleave", () => place.classList.remove("ms-try--over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("ms-try--over");
    take(pictureOf(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    if (!place.offsetParent || event.target.matches?.("textarea, input")) return;
    const picture = pictureOf(event.clipboardData);
    if (picture) take(picture);
  });
}
