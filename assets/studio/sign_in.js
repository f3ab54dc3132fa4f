/** Signing in at the hub and coming back to the same recipe: the address's hash does not travel. */

const KEY = "mergescope-return";

function leave(where) {
  try { sessionStorage.setItem(KEY, location.hash); } catch { /* comes back to the first recipe */ }
  const home = encodeURIComponent(location.pathname + location.search);
  location.assign(`${location.pathname.replace(/\/$/, "")}/${where}?_target_url=${home}`);
}

export const signIn = () => leave("login/huggingface");
export const signOut = () => leave("logout");

/** Puts back the hash that the page was left with. */
export function comeBack() {
  try {
    const hash = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    if (hash && !location.hash) history.replaceState(null, "", location.pathname + location.search + hash);
  } catch { /* nothing was kept */ }
}
