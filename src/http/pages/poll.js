// A long poll on one request, for pages that show a single one.
//
// It is held only while somebody can see the page, because a browser has six connections in all.

import { BACKOFF, POLL_HASTE, POLL_SECS } from "./limits.js";
import { Refusal, Trouble, call } from "./api.js";
import { backoff, isVisible, pause } from "./dom.js";
import { closedFor, hold } from "./room.js";

export class Poll {
  #path;
  #on;
  #tag = null;
  #attempt = 0;
  #count = 0;
  #contact = null;
  #controller = new AbortController();
  #isOver = false;

  /**
   * Starts it. `on.view(view)` hears of each change, `on.gone()` that there is no such request,
   * `on.link(link, contact)` how the connection is, and `on.count(polls)` how many were sent.
   */
  constructor(id, on) {
    this.#path = `/v1/requests/${id}`;
    this.#on = on;
    document.addEventListener("visibilitychange", () => this.hurry());
    addEventListener("online", () => this.hurry());
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
  }

  async #once(signal) {
    const release = hold(this.#controller);
    const started = performance.now();
    try {
      this.#take(await this.#send(signal));
      if (performance.now() - started < POLL_HASTE) this.#attempt += 1;
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
    if (!this.#isOver && this.#attempt > 1) await pause(backoff(this.#attempt, BACKOFF), signal);
  }

  #send(signal) {
    this.#count += 1;
    this.#on.count?.(this.#count);
    if (!this.#tag) return call("GET", this.#path, { signal });
    const headers = { "If-None-Match": this.#tag };
    return call("GET", `${this.#path}?wait=${POLL_SECS}`, { headers, wait: POLL_SECS, signal });
  }

  #take({ status, headers, body }) {
    this.#contact = Date.now();
    this.#on.link({ state: "live" }, this.#contact);
    if (status === 304) return;
    this.#tag = headers.get("ETag");
    if (body.status !== "pending") this.#isOver = true;
    this.#on.view(body);
  }
}
