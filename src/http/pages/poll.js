// A long poll on one request, for pages that show a single one.
//
// It is held only while somebody can see the page, because a browser has six connections in all.

import { BACKOFF, LOOK_TIME, POLL_HASTE, POLL_SECS } from "./limits.js";
import { Refusal, Trouble, call } from "./api.js";
import { backoff, isVisible, pause } from "./dom.js";
import { closedFor, hold, mayHold } from "./room.js";

export class Poll {
  #path;
  #on;
  #tag;
  #attempt = 0;
  #count = 0;
  #contact = null;
  #controller = new AbortController();
  #isOver = false;
  #listening = new AbortController();

  /**
   * Starts it; `known` is the view that is known already, if any. `on.view(view)` hears of each
   * change, `on.gone()` that there is no such request, `on.link(link, contact)` how the connection
   * is, and `on.count(polls)` how many were sent.
   */
  constructor(id, on, known) {
    this.#path = `/v1/requests/${id}`;
    this.#on = on;
    this.#tag = known ? `"${known.event_id}"` : null;
    const { signal } = this.#listening;
    document.addEventListener("visibilitychange", () => this.hurry(), { signal });
    addEventListener("online", () => this.hurry(), { signal });
    this.#run();
  }

  /** Tries again at once, if the page can be seen. */
  hurry() {
    this.#attempt = 0;
    this.#controller.abort();
  }

  /** Ends it. */
  stop() {
    this.#isOver = true;
    this.#controller.abort();
  }

  async #run() {
    while (!this.#isOver) {
      this.#controller = new AbortController();
      const { signal } = this.#controller;
      // Hidden, it waits for as long as it takes: `hurry` ends the pause.
      const wait = isVisible() ? closedFor() : 2 ** 31 - 1;
      if (wait > 0) await pause(wait, signal);
      else await this.#once(signal);
    }
    this.#listening.abort();
  }

  async #once(signal) {
    // The first answer is there at once, and is not waited for in a queue of pages.
    const wait = this.#tag && mayHold() ? POLL_SECS : 0;
    const release = wait > 0 ? hold(this.#controller) : () => {};
    const started = performance.now();
    let rest = 0;
    try {
      const isFirst = !this.#tag;
      this.#take(await this.#send(wait, signal));
      if (wait === 0 && !isFirst) rest = LOOK_TIME;
      // A poll that comes back at once, again and again, was not held.
      if (wait > 0 && performance.now() - started < POLL_HASTE) this.#attempt += 1;
      else this.#attempt = 0;
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) {
        this.#isOver = true;
        this.#on.gone();
      } else if (error instanceof Refusal || error instanceof Trouble) {
        const state = error instanceof Refusal ? "refused" : "cut";
        this.#on.link({ state, why: error.message }, this.#contact);
        this.#attempt += 1;
      } else if (error.name !== "AbortError") {
        throw error;
      }
    } finally {
      release();
    }
    if (this.#attempt > 1) rest = Math.max(rest, backoff(this.#attempt, BACKOFF));
    if (!this.#isOver && rest > 0) await pause(rest, signal);
  }

  #send(wait, signal) {
    this.#count += 1;
    this.#on.count?.(this.#count);
    const headers = this.#tag ? { "If-None-Match": this.#tag } : {};
    const path = wait > 0 ? `${this.#path}?wait=${wait}` : this.#path;
    return call("GET", path, { headers, wait, signal });
  }

  #take({ status, headers, body }) {
    if (this.#isOver) return;
    this.#contact = Date.now();
    this.#on.link({ state: "live" }, this.#contact);
    if (status === 304) return;
    this.#tag = headers.get("ETag");
    if (body.status !== "pending") this.#isOver = true;
    this.#on.view(body);
  }
}
