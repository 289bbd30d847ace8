// One ask, from its first send to its outcome.
//
// Whatever is under way for it belongs to its own object, so that nothing of an old ask can reach
// the request of a newer one. It is sent under one idempotency key until the daemon has it, also
// after it was withdrawn: only so is the id known of what may have arrived and has to be cancelled.

import { BACKOFF, DECIDE_TIME } from "./limits.js";
import { Refusal, Trouble, call } from "./api.js";
import { backoff, pause } from "./dom.js";
import { Poll } from "./poll.js";
import { makeRoom } from "./room.js";
import { t } from "./words.js";

export class Asking {
  #kept;
  #on;
  #view = null;
  #poll = null;
  #isSending = false;
  // When a cancellation is given up; null while none is under way.
  #until = null;
  // Ends the pause before the next attempt.
  #haste = new AbortController();
  // Whether it may have arrived although no answer has.
  #unsure = false;
  // When the daemon last answered a send or a cancellation.
  #contact = null;
  #isLeft = false;

  /**
   * Sends it; `kept` is its `key` and `body`, and whether it is `withdrawn` already or `resumed`
   * after a reload, before which it may have arrived. `on` hears:
   * `view(view)` of the request, whenever it changes; `gone()` that the daemon does not have it any
   * more; `refused(why, unsure)` that it is not asked, or `unsure`; `said(text)` how sending or
   * cancelling goes; `stuck(why)` that it could not be cancelled, and may be tried again;
   * `link(link, contact)` and `count(polls)` as a `Poll` tells them.
   */
  constructor(kept, on) {
    this.#kept = kept;
    this.#on = on;
    this.#unsure = Boolean(kept.resumed);
    if (kept.withdrawn) this.#until = performance.now() + DECIDE_TIME;
    this.#send();
  }

  /** Polls again at once. */
  hurry() {
    this.#poll?.hurry();
  }

  /** Cancels the request, or whatever of it may have arrived. */
  cancel() {
    if (this.#until !== null || this.#isOver) return;
    this.#until = performance.now() + DECIDE_TIME;
    this.#haste.abort();
    if (this.#view) this.#withdraw();
    else if (!this.#isSending) this.#send();
  }

  /** Nobody looks at it any more, so nothing of it is told or tried. */
  leave() {
    this.#isLeft = true;
    this.#poll?.stop();
    this.#haste.abort();
  }

  get #isOver() {
    return this.#isLeft || (this.#view !== null && this.#view.status !== "pending");
  }

  // Until the daemon has it, however often that takes.
  async #send() {
    this.#isSending = true;
    const done = await this.#insist("asking-again", async () => {
      const { key, body } = this.#kept;
      const headers = { "Idempotency-Key": key };
      this.#take((await call("POST", "/v1/requests", { body, headers })).body);
    });
    this.#isSending = false;
    if (!done || this.#isOver) return;
    this.#listen();
    if (this.#until !== null) this.#withdraw();
  }

  async #withdraw() {
    const path = `/v1/requests/${this.#view.id}`;
    await this.#insist("cancelling-again", async () => this.#take((await call("DELETE", path)).body));
    if (this.#isOver) this.#poll?.stop();
  }

  // Makes a call until it is answered; answers whether it was, and has told why if not.
  async #insist(again, attempt) {
    for (let count = 0; !this.#isOver; count += 1) {
      makeRoom();
      try {
        await attempt();
        this.#contact = Date.now();
        if (!this.#isLeft) this.#on.link({ state: "live" }, this.#contact);
        return true;
      } catch (error) {
        if (this.#isOver) return false;
        if (error instanceof Refusal) return this.#refused(error);
        if (!(error instanceof Trouble)) throw error;
        if (!(await this.#mayTryAgain(error, again, count))) return false;
      }
    }
    return false;
  }

  // Waits before the next attempt, if there is to be one.
  async #mayTryAgain(trouble, again, count) {
    if (!this.#view) this.#unsure ||= trouble.unsure;
    if (this.#isWithdrawnInTime) return this.#stop();
    const next = Math.max(backoff(count, BACKOFF), trouble.pause);
    if (this.#until !== null && performance.now() + next >= this.#until) {
      this.#until = null;
      this.#on.stuck(trouble.message);
      return false;
    }
    const word = this.#until === null ? again : "cancelling-again";
    this.#on.said(t(word, { attempt: count + 1, why: trouble.message }));
    this.#haste = new AbortController();
    await pause(next, this.#haste.signal);
    if (this.#isWithdrawnInTime) return this.#stop();
    return !this.#isOver;
  }

  // It was withdrawn, and certainly has not arrived.
  get #isWithdrawnInTime() {
    return this.#until !== null && !this.#view && !this.#unsure;
  }

  #stop() {
    this.#on.refused(t("stopped"), false);
    return false;
  }

  #refused(refusal) {
    this.#until = null;
    // What was decided in the meantime is the outcome.
    if (refusal.request) this.#take(refusal.request);
    else if (!this.#view) this.#on.refused(refusal.message, this.#unsure);
    else if (refusal.status === 404) this.#gone();
    else this.#on.stuck(refusal.message);
    return false;
  }

  #listen() {
    const on = {
      view: (view) => this.#take(view),
      gone: () => this.#gone(),
      link: (link, contact) => this.#isLeft || this.#on.link(link, contact ?? this.#contact),
      count: (polls) => this.#isLeft || this.#on.count(polls),
    };
    this.#poll = new Poll(this.#view.id, on, this.#view);
  }

  #take(view) {
    if (this.#isOver || view.event_id < (this.#view?.event_id ?? 0)) return;
    this.#view = view;
    this.#on.view(view);
  }

  #gone() {
    if (this.#isLeft) return;
    this.leave();
    this.#on.gone();
  }
}
