// What an inbox page knows of requests: each at the latest state that was told.
//
// Facts come from the stream, from lists and from answers to decisions, in any order and more
// than once; the event id in each says which is the newer.

import { PAGE_RECENT, PAGE_REQUESTS, PAGE_TEXT } from "./limits.js";

const size = (view) =>
  view.title.length +
  view.details.length +
  view.fields.reduce((sum, { name, value }) => sum + name.length + value.length, 0) +
  JSON.stringify([view.command, view.approvers, view.panels]).length;

export class Requests {
  #views = new Map();
  // What was known before a stream that began anew: any word about it counts, however old.
  #doubtful = new Set();
  #size = 0;
  // The pending one that was asked last, while there are too many.
  #newest = null;
  #changed;

  /** Whether some that are pending were left out, because too many are. */
  overflows = false;

  /** `changed(view, before)` hears of each change; `view` is null when it is gone. */
  constructor(changed) {
    this.#changed = changed;
  }

  get(id) {
    return this.#views.get(id);
  }

  /** Whether so few are known that what was left out is worth another fetch. */
  get hasRoom() {
    return this.#views.size < PAGE_REQUESTS / 2 && this.#size < PAGE_TEXT / 2;
  }

  /** Those that are pending, the one that was asked first at the front. */
  pending() {
    return this.#those((view) => view.status === "pending").sort(
      (a, b) => Date.parse(a.created_at) - Date.parse(b.created_at) || a.version - b.version,
    );
  }

  /** Those that are final, the one that was settled last at the front. */
  settled() {
    return this.#those((view) => view.status !== "pending").sort((a, b) => b.version - a.version);
  }

  #those(are) {
    return [...this.#views.values()].filter(are);
  }

  /** Takes a view if it is news; answers whether it was. */
  take(view) {
    const before = this.#views.get(view.id);
    const isDoubtful = this.#doubtful.delete(view.id);
    if (before && !isDoubtful && view.event_id <= before.event_id) return false;
    if (!before && view.status === "pending" && !this.#makeRoom(view)) return false;
    this.#views.set(view.id, view);
    this.#newest = null;
    this.#size += size(view) - (before ? size(before) : 0);
    this.#changed(view, before);
    this.#forget();
    return true;
  }

  /** A stream begins that will tell all that is pending, and nothing else. */
  beginAnew() {
    this.#doubtful = new Set(this.#views.keys());
    this.overflows = false;
  }

  /** All that is pending has been told: answers the ids of those that were pending and are not. */
  caughtUp() {
    const lost = [...this.#doubtful].filter((id) => this.get(id)?.status === "pending");
    this.#doubtful = new Set(lost);
    return lost;
  }

  /** It is not there any more. */
  drop(id) {
    const before = this.#views.get(id);
    this.#doubtful.delete(id);
    if (!before || !this.#views.delete(id)) return;
    this.#newest = null;
    this.#size -= size(before);
    this.#changed(null, before);
  }

  /** All that is known, to be told to another page. */
  all() {
    return [...this.#views.values()];
  }

  // When there are too many, those that were asked last are left to be fetched when there is room
  // again. A stream does not tell them in that order, because being seen moves a request.
  #makeRoom(view) {
    if (this.#fits(view)) return true;
    this.overflows = true;
    this.#newest ??= this.pending().at(-1);
    if (!this.#newest || view.created_at >= this.#newest.created_at) return false;
    this.drop(this.#newest.id);
    this.#newest = null;
    return this.#fits(view);
  }

  #fits(view) {
    return this.#views.size < PAGE_REQUESTS && this.#size + size(view) <= PAGE_TEXT;
  }

  // The oldest of those that are settled need not be known.
  #forget() {
    const settled = this.settled();
    if (settled.length <= 2 * PAGE_RECENT) return;
    for (const { id } of settled.slice(PAGE_RECENT)) this.drop(id);
  }
}
