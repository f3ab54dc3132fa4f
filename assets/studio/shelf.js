/** Families of the hub that this browser keeps: their ids, and nothing of the models. */

const KEY = "mergescope-hub";
const MOST = 8;

export const isHub = (id) => typeof id === "string" && id.startsWith("hub~");

function stored() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(kept) ? kept.filter(isHub) : [];
  } catch { return []; }
}

/** The ids, the one that is on screen first: of two families with a model, that one is meant. */
export function shelf(current) {
  const kept = stored();
  return (isHub(current) ? [current, ...kept.filter((id) => id !== current)] : kept).slice(0, MOST);
}

export function putOnShelf(id) {
  try { localStorage.setItem(KEY, JSON.stringify([id, ...stored().filter((one) => one !== id)].slice(0, MOST))); } catch { /* this page only */ }
}
