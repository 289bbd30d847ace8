// The answer to a request: the buttons, what goes with them, and how sending it goes.

import { REASON_CHARS } from "./limits.js";
import { mayApprove, myVote, whyNot } from "./caller.js";
import { now } from "./clock.js";
import { decide, takeBack } from "./decision.js";
import { el, setText } from "./dom.js";
import { frozenUntil } from "./freezes.js";
import { holdsFocus, holdsStill, unwatch, watch } from "./guard.js";
import { standing } from "./votes.js";
import { t } from "./words.js";

const SENDING = { approve: "sending-approve", deny: "sending-deny", "take-back": "sending-take-back" };
const COUNTED = { approve: "counted", deny: "counted-deny", "take-back": "taken-back" };

export class Answer {
  element = el("div", { class: "answer" });
  status = el("p", { class: "status", role: "status" });
  #on;
  #view = null;
  // What kind of answer is asked for; drawn anew when it is another.
  #kind = "";
  #line = null;
  #buttons = [];
  #reason = null;
  #code = null;
  #isSending = false;

  /**
   * `on.learn(view)` hears of each view that an answer brings, `on.state(state)` of how the card
   * has to look, and `on.gone()` that there is no such request; `on.focus()` takes the focus.
   */
  constructor(on) {
    this.#on = on;
  }

  /** Asks for an answer to this. */
  draw(view) {
    this.#isSending = false;
    this.#view = view;
    this.#draw();
  }

  /** The same question, of which something else has changed, such as its votes. */
  update(view) {
    this.#view = view;
    if (view.status !== "pending") return;
    if (kindOf(view) === this.#kind) {
      if (this.#line) setText(this.#line, lineFor(view));
      return;
    }
    const hadFocus = this.#hasFocus();
    const reason = this.#reason?.value ?? "";
    this.#draw();
    if (this.#reason) this.#reason.value = reason;
    if (hadFocus && !this.#isSending) this.#on.focus();
  }

  /** No more answers: these lines stand in place of the buttons. */
  close(view, ...lines) {
    const hadFocus = this.#hasFocus();
    this.leave();
    this.#view = view;
    this.#isSending = false;
    this.element.replaceChildren(...lines);
    setText(this.status, "");
    // So that a keyboard goes on from here and not from the top of the page.
    if (hadFocus) lines[0].focus({ preventScroll: true });
  }

  /** Stops watching its buttons; they are about to leave the page. */
  leave() {
    for (const button of this.#buttons) unwatch(button);
    [this.#buttons, this.#reason, this.#code, this.#line, this.#kind] = [[], null, null, null, ""];
  }

  #draw() {
    const view = this.#view;
    this.leave();
    this.#kind = kindOf(view);
    const line = lineFor(view);
    this.#line = line ? el("p", { class: myVote(view) ? "voted" : "may-not" }, line) : null;
    const actions = actionsOn(view);
    if (actions.length === 0) {
      this.element.replaceChildren(this.#line);
      return;
    }
    const fields = el("div", { class: "reason" }, ...this.#reasonField());
    const asksCode = view.match_code_required && actions.includes("approve");
    const buttons = el("div", { class: "buttons" }, ...actions.map((action) => this.#button(action)));
    this.#buttons = [...buttons.children];
    const parts = [this.#line, asksCode ? this.#codeField() : null, fields, buttons];
    this.element.replaceChildren(...parts.filter(Boolean));
    this.#disable(this.#isSending);
    this.#buttons.forEach(watch);
  }

  #reasonField() {
    const { id, reason_required: isNeeded } = this.#view;
    this.#reason = el("input", {
      id: `reason-${id}`,
      type: "text",
      maxlength: REASON_CHARS,
      autocomplete: "off",
      placeholder: t(isNeeded ? "reason-for-approval" : "reason-hint"),
    });
    return [el("label", { for: `reason-${id}` }, t("reason")), this.#reason];
  }

  // Nothing that a browser remembers: each code is for one request.
  #codeField() {
    this.#code = el("input", {
      id: `code-${this.#view.id}`,
      type: "text",
      inputmode: "numeric",
      maxlength: 16,
      autocomplete: "off",
      placeholder: "000 000",
    });
    return el("div", { class: "code" }, el("label", { for: this.#code.id }, t("code")), this.#code);
  }

  #button(action) {
    const { id } = this.#view;
    const name = `${action}-${id}`;
    // The name is not the button's own: a link with it behind its # would put the focus there.
    const button = el(
      "button",
      { type: "button", class: action, "aria-labelledby": `${name} title-${id}` },
      el("span", { id: name }, t(action)),
    );
    button.addEventListener("click", (event) => this.#click(event, action));
    // A key that is held down is no further answer.
    button.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
    return button;
  }

  #click({ currentTarget, detail }, action) {
    if (this.#isSending || this.#view.status !== "pending") return;
    // A key reports no count of clicks.
    const isKey = detail === 0;
    if (holdsStill(currentTarget) && (!isKey || holdsFocus(currentTarget))) {
      this.#act(action);
      return;
    }
    setText(this.status, t(isKey ? "moved-key" : "moved"));
    // A program that reads aloud may press without a focus; the next time it has been there.
    if (isKey) currentTarget.focus({ preventScroll: true });
  }

  // What an approval still needs to be typed: the field, after saying so.
  #lacking(reason, code) {
    if (this.#code && !/^[0-9]{6}$/.test(code)) {
      setText(this.status, t("code-needed"));
      return this.#code;
    }
    if (!this.#view.reason_required || reason) return null;
    setText(this.status, t("reason-needed"));
    return this.#reason;
  }

  async #act(action) {
    const asked = this.#view;
    const reason = this.#reason.value.trim();
    const code = action === "approve" && this.#code ? this.#code.value.replace(/\s/g, "") : "";
    const lacking = action === "approve" ? this.#lacking(reason, code) : null;
    if (lacking) {
      lacking.focus();
      return;
    }
    this.#send(true, t(SENDING[action]));
    const tell = ({ attempt, why }) => {
      if (this.#isSending) setText(this.status, t("sending-again", { attempt, why }));
    };
    const result =
      action === "take-back"
        ? await takeBack(asked, tell)
        : await decide(asked, action, { reason, code }, tell);
    if (result.view) this.#on.learn(result.view);
    if (this.#view.status !== "pending") this.#tellFinal(result, action);
    else if (result.outcome === "gone") this.#on.gone();
    else this.#tell(result, action);
  }

  #tellFinal({ outcome }, action) {
    if (outcome === "too-late" && !fits(this.#view, action)) setText(this.status, t("too-late"));
    if (outcome === "wrong-code") setText(this.status, t("code-last"));
  }

  #tell(result, action) {
    const hadFocus = this.#hasFocus();
    this.#send(false, {
      counted: () => t(COUNTED[action]),
      "too-late": () => t("too-late"),
      changed: () => t("changed"),
      "wrong-code": () => t("code-wrong", { count: result.left }),
      failed: () => t(result.unsure ? "failed-unsure" : "failed", { why: result.why }),
    }[result.outcome]());
    if (result.outcome === "wrong-code" && this.#code) this.#code.value = "";
    if (result.outcome === "counted" && this.#reason) this.#reason.value = "";
    if (result.outcome === "failed") this.#on.state("failed");
    // Not onto the button: the next key is not meant for it yet.
    if (hadFocus) this.#on.focus();
  }

  #send(isSending, text) {
    this.#isSending = isSending;
    this.#on.state(isSending ? "sending" : "pending");
    this.#disable(isSending);
    setText(this.status, text);
  }

  #disable(isSending) {
    const controls = [...this.#buttons, this.#reason, this.#code].filter(Boolean);
    for (const control of controls) control.disabled = isSending;
  }

  // Whether the focus is in the answer, or was on a button until sending disabled it.
  #hasFocus() {
    const focused = document.activeElement ?? document.body;
    return this.element.contains(focused) || (this.#isSending && focused === document.body);
  }
}

// Who has voted may say the other thing, or nothing.
function actionsOn(view) {
  if (whyNot(view)) return [];
  const vote = myVote(view)?.verdict;
  const actions = vote ? ["take-back"] : [];
  if (vote !== "deny") actions.push("deny");
  if (vote !== "approve" && mayApprove(view)) actions.push("approve");
  return actions;
}

// How it stands for the caller, if that is not simply that an answer is asked for.
function lineFor(view) {
  const why = whyNot(view);
  if (why) return why;
  const { moreApprovals, moreDenials } = standing(view);
  switch (myVote(view)?.verdict) {
    case "approve":
      return t("you-approved", { count: moreApprovals });
    case "deny":
      return t("you-denied", { count: moreDenials });
    default:
      return mayApprove(view) ? frozenLine(view) : t("may-not-approve");
  }
}

function frozenLine(view) {
  const until = frozenUntil(view, now());
  return until ? t("frozen-until", { until }) : "";
}

const kindOf = (view) =>
  JSON.stringify([
    whyNot(view),
    mayApprove(view),
    myVote(view)?.verdict,
    view.reason_required,
    view.match_code_required,
    frozenUntil(view, now()),
  ]);

const fits = ({ status }, action) => status === { approve: "approved", deny: "denied" }[action];
