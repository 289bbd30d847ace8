// One request on a page: what is asked, what the daemon knows, two buttons, and what became of it.

import { REASON_CHARS } from "./limits.js";
import { whyNot } from "./caller.js";
import { claim } from "./claim.js";
import { now } from "./clock.js";
import { decide } from "./decision.js";
import { el, setText } from "./dom.js";
import { deciding, outcome, partLeft, party, settledAgo, times } from "./facts.js";
import { holdsFocus, holdsStill, unwatch, watch } from "./guard.js";
import { visibleNodes } from "./visible.js";
import { duration, t } from "./words.js";

export class Card {
  #view;
  #level;
  #learn;
  #body = el("div", { class: "body" });
  #facts = el("dl");
  #time = el("dd");
  #bar = el("span");
  #answer = el("div", { class: "answer" });
  #status = el("p", { class: "status", role: "status" });
  #buttons = [];
  #reason;
  #code = null;
  #isSending = false;

  /**
   * `learn(view)` hears of each view that an answer to a decision brings; the card itself changes
   * only by `update`. `level` is the level of its heading.
   */
  constructor(view, { level, learn }) {
    this.#view = view;
    this.#level = level;
    this.#learn = learn;
    this.element = el(
      "article",
      { class: "card", "data-id": view.id, "aria-labelledby": `title-${view.id}` },
      this.#body,
      this.#answer,
      this.#status,
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
    if (isSame) this.#drawFacts();
    else if (view.status === "pending") this.#drawQuestion();
    else this.#drawOutcome();
  }

  /** Shows how the time goes by. */
  tick() {
    const at = now();
    if (this.#view.status === "pending") {
      setText(this.#time, times(this.#view, at));
      const part = partLeft(this.#view, at);
      this.#bar.style.setProperty("inline-size", `${(part * 100).toFixed(2)}%`);
      this.#bar.classList.toggle("soon", part < 0.2);
      return;
    }
    setText(this.#time, t("asked-ago", { age: duration(at - Date.parse(this.#view.created_at)) }));
    const ago = this.element.querySelector(".ago");
    if (ago) setText(ago, settledAgo(this.#view, at));
  }

  /** The daemon does not have it any more. */
  gone() {
    this.#close("gone", t("gone"));
  }

  /** Stops watching it; it is about to leave the page. */
  leave() {
    for (const button of this.#buttons) unwatch(button);
  }

  #drawQuestion() {
    this.#isSending = false;
    this.element.dataset.state = this.#view.status;
    this.#body.replaceChildren(claim(this.#view, `title-${this.#view.id}`, this.#level), this.#known());
    this.#drawFacts();
    this.#drawAnswer();
    this.tick();
  }

  #drawOutcome() {
    this.#drawFacts();
    this.#close(this.#view.status, outcome(this.#view));
    this.tick();
  }

  #known() {
    return el(
      "section",
      { class: "known" },
      el("p", { class: "label" }, t("daemon-knows")),
      this.#facts,
      el("div", { class: "bar", "aria-hidden": "true" }, this.#bar),
    );
  }

  #drawFacts() {
    const { id, requester, decisions, approvals_needed: needed, seen_by: seenBy } = this.#view;
    const fact = (name, value) => el("div", {}, el("dt", {}, t(name)), value);
    const link = el("a", { href: `/r/${id}`, class: "id" }, id);
    const rows = [
      fact("fact-request", el("dd", {}, link)),
      fact("fact-asked-by", el("dd", {}, party(requester))),
      fact("fact-time", this.#time),
    ];
    if (needed > 1) {
      const have = decisions.filter(({ verdict }) => verdict === "approve").length;
      rows.push(fact("fact-approvals", el("dd", {}, t("approvals", { have, needed }))));
    }
    // Also before anybody is known, or being seen would move the buttons.
    const names = seenBy.map(({ by }) => party(by)).join(", ");
    if (names || this.#view.status === "pending") {
      rows.push(fact("fact-seen-by", el("dd", {}, names || t("nobody-yet"))));
    }
    const texts = rows.map((row) => row.textContent).join("\n");
    if (this.#facts.dataset.drawn === texts) return;
    this.#facts.dataset.drawn = texts;
    this.#facts.replaceChildren(...rows);
  }

  #drawAnswer() {
    const { id } = this.#view;
    this.leave();
    const why = whyNot(this.#view);
    if (why) {
      this.#answer.replaceChildren(el("p", { class: "may-not" }, why));
      return;
    }
    this.#reason = el("input", {
      id: `reason-${id}`,
      type: "text",
      maxlength: REASON_CHARS,
      autocomplete: "off",
      placeholder: t("reason-hint"),
    });
    const label = el("label", { for: `reason-${id}` }, t("reason"));
    this.#code = this.#view.match_code_required ? this.#codeField() : null;
    const buttons = el("div", { class: "buttons" }, this.#button("deny"), this.#button("approve"));
    this.#buttons = [...buttons.children];
    this.#answer.replaceChildren(el("div", { class: "reason" }, label, this.#reason), buttons);
    if (this.#code) {
      const label = el("label", { for: this.#code.id }, t("code"));
      this.#answer.prepend(el("div", { class: "code" }, label, this.#code));
    }
    this.#buttons.forEach(watch);
  }

  // Nothing that a browser remembers: each code is for one request.
  #codeField() {
    return el("input", {
      id: `code-${this.#view.id}`,
      type: "text",
      inputmode: "numeric",
      maxlength: 16,
      autocomplete: "off",
      placeholder: "000 000",
    });
  }

  #button(verdict) {
    const { id } = this.#view;
    const name = `${verdict}-${id}`;
    // The name is not the button's own: a link with it behind its # would put the focus there.
    const button = el(
      "button",
      { type: "button", class: verdict, "aria-labelledby": `${name} title-${id}` },
      el("span", { id: name }, t(verdict)),
    );
    button.addEventListener("click", (event) => this.#click(event, verdict));
    // A key that is held down is no further answer.
    button.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
    return button;
  }

  #click({ currentTarget, detail }, verdict) {
    if (this.#isSending || this.#view.status !== "pending") return;
    // A key reports no count of clicks.
    const isKey = detail === 0;
    if (holdsStill(currentTarget) && (!isKey || holdsFocus(currentTarget))) {
      this.#decide(verdict);
      return;
    }
    setText(this.#status, t(isKey ? "moved-key" : "moved"));
    // A program that reads aloud may press without a focus; the next time it has been there.
    if (isKey) currentTarget.focus({ preventScroll: true });
  }

  async #decide(verdict) {
    const asked = this.#view;
    const reason = this.#reason.value.trim();
    const code = verdict === "approve" && this.#code ? this.#code.value.replace(/\s/g, "") : "";
    if (verdict === "approve" && this.#code && !/^[0-9]{6}$/.test(code)) {
      setText(this.#status, t("code-needed"));
      this.#code.focus();
      return;
    }
    this.#send(true, t(verdict === "approve" ? "sending-approve" : "sending-deny"));
    const result = await decide(asked, verdict, { reason, code }, ({ attempt, why }) => {
      if (this.#isSending) setText(this.#status, t("sending-again", { attempt, why }));
    });
    if (result.view) this.#learn(result.view);
    if (this.#view.status !== "pending") {
      if (result.outcome === "too-late" && !fits(this.#view, verdict)) {
        setText(this.#status, t("too-late"));
      }
      if (result.outcome === "wrong-code") setText(this.#status, t("code-last"));
      return;
    }
    if (result.outcome === "gone") {
      this.gone();
      return;
    }
    const hadFocus = this.#hasFocus();
    this.#send(false, {
      counted: () => t("counted"),
      "too-late": () => t("too-late"),
      changed: () => t("changed"),
      "wrong-code": () => t("code-wrong", { count: result.left }),
      failed: () => t(result.unsure ? "failed-unsure" : "failed", { why: result.why }),
    }[result.outcome]());
    if (result.outcome === "wrong-code") this.#code.value = "";
    if (result.outcome === "failed") this.element.dataset.state = "failed";
    // Not onto the button: the next key is not meant for it yet.
    if (hadFocus) this.element.querySelector(".title").focus({ preventScroll: true });
  }

  #send(isSending, text) {
    this.#isSending = isSending;
    this.element.dataset.state = isSending ? "sending" : "pending";
    const fields = [this.#reason, this.#code].filter(Boolean);
    for (const control of [...this.#buttons, ...fields]) control.disabled = isSending;
    setText(this.#status, text);
  }

  // Whether the focus is in the answer, or was on a button until sending disabled it.
  #hasFocus() {
    const focused = document.activeElement ?? document.body;
    return this.#answer.contains(focused) || (this.#isSending && focused === document.body);
  }

  // No more answers: what became of it stands where the buttons were.
  #close(state, text) {
    const hadFocus = this.#hasFocus();
    this.leave();
    this.#isSending = false;
    this.element.dataset.state = state;
    const line = el("p", { class: "outcome", tabindex: "-1" }, text, " ", el("span", { class: "ago" }));
    const reason = deciding(this.#view)?.reason;
    this.#answer.replaceChildren(line);
    if (reason) {
      const text = el("span", { dir: "auto" }, ...visibleNodes(reason));
      this.#answer.append(el("p", { class: "frame given" }, `${t("reason")}: `, text));
    }
    setText(this.#status, "");
    // So that a keyboard goes on from here and not from the top of the page.
    if (hadFocus) line.focus({ preventScroll: true });
  }
}

const fits = ({ status }, verdict) => status === { approve: "approved", deny: "denied" }[verdict];
