/** Follows a background job: the server answers when something changed, so nothing is polled. */

import { ask } from "./conversation.js";
import { visitor } from "./dom.js";

export const FINISHED = new Set(["DONE", "CANCELLED", "FAILED", "INTERRUPTED"]);

/** Calls `show(job)` for each new snapshot until the job has finished; null when it is gone. */
export async function follow(id, show) {
  let seen = null;
  for (;;) {
    const { job } = await ask("job", { id, visitor: visitor(), seen });
    await show(job ?? null);
    if (!job || FINISHED.has(job.state)) return;
    seen = job.version;
  }
}

/** Keeps the id of a job for the next visit of this page. */
export function memory(key) {
  return {
    get() { try { return localStorage.getItem(key); } catch { return null; } },
    set(id) {
      try { if (id) localStorage.setItem(key, id); else localStorage.removeItem(key); } catch { /* this page only */ }
    },
  };
}
