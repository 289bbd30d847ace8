// The stream of changes, kept open whatever happens.
//
// A browser's EventSource reconnects by itself after a cut, but stops for good when it is answered
// with 401 or 5xx. So there is one way here for both: close it, ask `/v1/me` with growing pauses
// until the daemon answers, and open the stream anew from the last event that was heard.

import { CALL_TIME, STREAM_BACKOFF } from "./limits.js";
import { Refusal } from "./api.js";
import { askAgain } from "./caller.js";
import { backoff, pause } from "./dom.js";
import { t } from "./words.js";

const NAMES = ["request", "caught-up", "reset"];

export class Stream {
  #source = null;
  #tell;
  #link;
  #attempt = 0;
  #caughtUp = false;
  #impatience = 0;
  // Ends the pause before the next attempt, while there is one.
  #waiting = null;
  // Counts what was opened and what was given up, so that what is late is known for it.
  #turn = 0;

  /**
   * Opens it. `cursor` is the last id that was heard, or empty. `tell` hears `{name, id, data}` of
   * each event, and of one named `anew` when a stream without a cursor begins. `link` hears how
   * the connection is: `{state: "opening" | "live" | "cut" | "refused", why}`.
   */
  constructor({ cursor, tell, link }) {
    this.cursor = cursor;
    this.#tell = tell;
    this.#link = link;
    this.open();
  }

  /** Opens it from the cursor, in place of what is open. */
  open() {
    this.#drop();
    this.#caughtUp = false;
    const resume = this.cursor ? `?last_event_id=${encodeURIComponent(this.cursor)}` : "";
    const source = new EventSource(`/v1/events${resume}`);
    this.#source = source;
    this.#link({ state: "opening" });
    if (!this.cursor) this.#tell({ name: "anew", id: "", data: null });
    for (const name of NAMES) {
      source.addEventListener(name, (event) => {
        if (source === this.#source) this.#hear(name, event);
      });
    }
    source.onerror = () => {
      if (source === this.#source) this.#failed(t("trouble-cut"));
    };
    this.#expectNews();
  }

  /** Tries again at once if it is not open: the network is back, or somebody looks. */
  hurry() {
    this.#attempt = 0;
    this.#waiting?.abort();
  }

  /** Closes it for good. */
  close() {
    this.#drop();
    this.#link = () => {};
    this.#tell = () => {};
  }

  #drop() {
    this.#turn += 1;
    clearTimeout(this.#impatience);
    this.#source?.close();
    this.#source = null;
    this.#waiting?.abort();
  }

  // Until it has caught up, silence means that there is no connection to be had.
  #expectNews() {
    clearTimeout(this.#impatience);
    this.#impatience = setTimeout(() => this.#failed(t("trouble-silence")), CALL_TIME);
  }

  #hear(name, event) {
    const data = JSON.parse(event.data);
    if (name === "reset") this.cursor = "";
    else if (event.lastEventId) this.cursor = event.lastEventId;
    this.#tell({ name, id: this.cursor, data });
    if (name === "caught-up") {
      this.#attempt = 0;
      this.#caughtUp = true;
      clearTimeout(this.#impatience);
      this.#link({ state: "live" });
    } else if (!this.#caughtUp) {
      this.#expectNews();
    }
  }

  async #failed(why) {
    this.#drop();
    const turn = this.#turn;
    this.#link({ state: "cut", why });
    for (;;) {
      this.#waiting = new AbortController();
      await pause(backoff(this.#attempt, STREAM_BACKOFF), this.#waiting.signal);
      if (turn !== this.#turn) return;
      this.#attempt += 1;
      try {
        await askAgain();
        if (turn === this.#turn) this.open();
        return;
      } catch (error) {
        if (turn !== this.#turn) return;
        const state = error instanceof Refusal ? "refused" : "cut";
        this.#link({ state, why: error.message });
      }
    }
  }
}
