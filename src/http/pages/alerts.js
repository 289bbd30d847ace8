// How often somebody is called: at once for the first request, and then not again for a while.
//
// Anybody who may ask could otherwise ring without end, by asking and cancelling in a loop. What
// comes during a pause is told together when it is over, as far as it is still pending. The pauses
// double while more keeps coming, and are short again after one in which nothing came.

import { ALERT_PAUSE } from "./limits.js";

export class Alerts {
  #tell;
  #pause = ALERT_PAUSE[0];
  #isPaused = false;
  // Those that came during the pause, by id.
  #waiting = new Map();

  /** `tell(views)` calls somebody, for one request or for several. */
  constructor(tell) {
    this.#tell = tell;
  }

  /** A request has come. */
  asked(view) {
    this.#waiting.set(view.id, view);
    if (!this.#isPaused) this.#call();
  }

  /** It needs nobody any more. */
  settled(id) {
    this.#waiting.delete(id);
  }

  #call() {
    const views = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#isPaused = true;
    setTimeout(() => this.#over(), this.#pause);
    this.#tell(views);
  }

  #over() {
    this.#isPaused = false;
    const [least, most] = ALERT_PAUSE;
    this.#pause = this.#waiting.size > 0 ? Math.min(2 * this.#pause, most) : least;
    if (this.#waiting.size > 0) this.#call();
  }
}
