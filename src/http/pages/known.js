// What the daemon knows of a request: who asked, when, who has to agree, and how the votes stand.

import { el, setText } from "./dom.js";
import { partLeft, party, times } from "./facts.js";
import { freeze } from "./freezes.js";
import { scrolling } from "./scrolling.js";
import { visible, visibleNodes } from "./visible.js";
import { isPlain, standing } from "./votes.js";
import { duration, pointInTime, t } from "./words.js";

export class Known {
  #facts = el("dl");
  #time = el("dd");
  #bar = el("span");

  constructor() {
    this.element = el(
      "section",
      { class: "known" },
      el("p", { class: "label" }, t("daemon-knows")),
      this.#facts,
      el("div", { class: "bar", "aria-hidden": "true" }, this.#bar),
    );
  }

  /** Shows what is known at the time `now`. */
  draw(view, now) {
    const rows = [
      fact("fact-request", el("a", { href: `/r/${view.id}`, class: "id" }, view.id)),
      fact("fact-asked-by", party(view.requester)),
      el("div", {}, el("dt", {}, t("fact-time")), this.#time),
      ...terms(view, now),
      ...(isPlain(view) ? [] : votes(view, now)),
    ];
    // Also before anybody is known, or being seen would move the buttons.
    const names = view.seen_by.map(({ by }) => party(by)).join(", ");
    if (names || view.status === "pending") rows.push(fact("fact-seen-by", names || t("nobody-yet")));
    if (view.consumed_at) rows.push(fact("fact-used", pointInTime(Date.parse(view.consumed_at), now)));
    const texts = rows.map((row) => row.textContent).join("\n");
    if (this.#facts.dataset.drawn === texts) return;
    this.#facts.dataset.drawn = texts;
    this.#facts.replaceChildren(...rows);
  }

  /** Shows how the time goes by. */
  tick(view, now) {
    if (view.status !== "pending") {
      setText(this.#time, t("asked-ago", { age: duration(now - Date.parse(view.created_at)) }));
      return;
    }
    setText(this.#time, times(view, now));
    const part = partLeft(view, now);
    this.#bar.style.setProperty("inline-size", `${(part * 100).toFixed(2)}%`);
    this.#bar.classList.toggle("soon", part < 0.2);
  }
}

const fact = (name, ...value) => el("div", {}, el("dt", {}, t(name)), el("dd", {}, ...value));

// Many names do not make a card longer than the others: they scroll.
function long(name, ...value) {
  return fact(name, scrolling(el("div", { class: "value" }, ...value), t(name)));
}

const list = (items) => el("ul", {}, ...items);
const names = (people) => people.map(visible).join(", ");

// Names that an asker may have chosen; one with a comma in it does not pass for two.
function apart(people) {
  const nodes = people.flatMap((name) => [", ", el("span", { class: "name" }, ...visibleNodes(name))]);
  return nodes.slice(1);
}

// On which terms it is approved, where they are not the plain ones.
function terms(view, now) {
  const { approvers, rules = [], freezes = [] } = view;
  const rows = [];
  if (approvers) rows.push(long("fact-approvers", ...apart(approvers)));
  if (rules.length > 0) rows.push(long("fact-rules", names(rules)));
  if (view.reason_required) rows.push(fact("fact-reason", t("reason-for-approval")));
  if (view.self_approval) rows.push(fact("fact-self-approval", t("self-approval")));
  if (freezes.length > 0) rows.push(long("fact-freezes", list(freezes.map((text) => freezeLine(text, now)))));
  return rows;
}

function freezeLine(text, now) {
  const { words, end } = freeze(text, now);
  const line = el("li", {}, ...visibleNodes(words));
  if (end) line.append(" ", el("strong", { class: "now" }, t("freeze-now")));
  return line;
}

// How the votes stand, and who has said what.
function votes(view, now) {
  const { approvals, denials, panels } = standing(view);
  const rows = [fact("fact-approvals", t("approvals", { have: approvals, needed: view.approvals_needed }))];
  if (panels.length > 0) {
    const note = panels.length > 1 ? [el("li", {}, t("panels-note"))] : [];
    rows.push(long("fact-panels", list([...panels.map(panelLine), ...note])));
  }
  if (view.denials_needed > 1) {
    rows.push(fact("fact-denials", t("approvals", { have: denials, needed: view.denials_needed })));
  }
  // Also before the first one, so that it moves the buttons as little as can be.
  const said = view.decisions.map((vote) => voteLine(vote, now));
  rows.push(long("fact-votes", said.length > 0 ? list(said) : t("no-votes")));
  return rows;
}

function panelLine({ group, approvals: needed, has, members }) {
  const values = { group: visible(group), have: has, needed, members: names(members), count: needed - has };
  const isMet = has >= needed;
  return el("li", { "data-met": isMet }, t(isMet ? "panel-met" : "panel-lacks", values));
}

function voteLine({ verdict, approver, reason, at }, now) {
  const values = { by: party(approver), time: pointInTime(Date.parse(at), now) };
  const words = { approve: "vote-approve", deny: "vote-deny" }[verdict];
  const line = el("li", { class: "vote", "data-verdict": verdict }, t(words ?? "vote-other", values));
  if (reason) line.append(" ", el("span", { class: "frame given", dir: "auto" }, ...visibleNodes(reason)));
  return line;
}
