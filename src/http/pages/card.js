// One request on a page: what is asked, what the daemon knows, the answer, and what became of it.

import { Answer } from "./answer.js";
import { claim } from "./claim.js";
import { now } from "./clock.js";
import { el, setText } from "./dom.js";
import { deciding, outcome, settledAgo } from "./facts.js";
import { frozenUntil } from "./freezes.js";
import { Known } from "./known.js";
import { visibleNodes } from "./visible.js";
import { isPlain } from "./votes.js";
import { t } from "./words.js";

export class Card {
  #view;
  #level;
  #body = el("div", { class: "body" });
  #known = new Known();
  #answer;
  // Until when it is frozen, as it is drawn.
  #frozen = "";

  /**
   * `learn(view)` hears of each view that an answer to a decision brings; the card itself changes
   * only by `update`. `level` is the level of its heading.
   */
  constructor(view, { level, learn }) {
    this.#view = view;
    this.#level = level;
    this.#answer = new Answer({
      learn,
      state: (state) => this.#show(state),
      gone: () => this.gone(),
      focus: () => this.element.querySelector(".title").focus({ preventScroll: true }),
    });
    this.element = el(
      "article",
      { class: "card", "data-id": view.id, "aria-labelledby": `title-${view.id}` },
      this.#body,
      this.#answer.element,
      this.#answer.status,
    );
    this.#drawQuestion();
    if (view.status !== "pending") this.#drawOutcome();
  }

  get view() {
    return this.#view;
  }

  /** Shows a newer view of the same request. */
  update(view) {
    const before = this.#view;
    this.#view = view;
    const isSame = view.version === before.version && view.status === before.status;
    if (isSame) {
      this.#drawRest(now());
    } else if (view.status === "pending") {
      this.#drawQuestion();
    } else {
      this.#drawOutcome();
    }
  }

  /** Shows how the time goes by. */
  tick() {
    const at = now();
    this.#known.tick(this.#view, at);
    const isPending = this.#view.status === "pending";
    if (isPending && frozenUntil(this.#view, at) !== this.#frozen) this.#drawRest(at);
    const ago = this.element.querySelector(".ago");
    if (ago) setText(ago, settledAgo(this.#view, at));
  }

  /** The daemon does not have it any more. */
  gone() {
    this.#close("gone", t("gone"));
  }

  /** Stops watching it; it is about to leave the page. */
  leave() {
    this.#answer.leave();
  }

  #drawQuestion() {
    this.#show(this.#view.status);
    const question = claim(this.#view, `title-${this.#view.id}`, this.#level);
    this.#body.replaceChildren(question, this.#known.element);
    this.#answer.draw(this.#view);
    this.#drawRest(now());
    this.tick();
  }

  // All but the question.
  #drawRest(at) {
    this.#frozen = frozenUntil(this.#view, at);
    this.#known.draw(this.#view, at);
    this.#answer.update(this.#view);
  }

  #drawOutcome() {
    this.#known.draw(this.#view, now());
    this.#close(this.#view.status, outcome(this.#view));
    this.tick();
  }

  #show(state) {
    this.element.dataset.state = state;
  }

  // What became of it stands where the buttons were.
  #close(state, text) {
    this.#show(state);
    this.element.classList.toggle("struck", Boolean(this.#view.lease_ended));
    const lines = [el("p", { class: "outcome", tabindex: "-1" }, text, " ", el("span", { class: "ago" }))];
    // Where there are several votes, each has its reason beside it.
    const reason = isPlain(this.#view) && deciding(this.#view)?.reason;
    if (reason) {
      const text = el("span", { dir: "auto" }, ...visibleNodes(reason));
      lines.push(el("p", { class: "frame given" }, `${t("reason")}: `, text));
    }
    this.#answer.close(this.#view, ...lines);
  }
}
