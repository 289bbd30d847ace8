// Client A's page: a form, a long poll with a count, and the outcome.
//
// The idempotency key is made before the first send and kept with what is asked, so that neither a
// lost answer nor a reload asks twice.

import { FIELD_NAME_CHARS, FIELD_VALUE_CHARS, FIELDS, TITLE_CHARS, TOPIC_CHARS } from "./limits.js";
import { Asking } from "./asking.js";
import { Banner } from "./banner.js";
import { whenKnown } from "./caller.js";
import { now } from "./clock.js";
import { el, randomName, setText } from "./dom.js";
import { deciding, outcome, tabTitle, times } from "./facts.js";
import { holdsStill, watch } from "./guard.js";
import { visibleNodes } from "./visible.js";
import { isPlain, standing } from "./votes.js";
import { t, translate } from "./words.js";

const KEPT = "pushd-asked";

translate();
const place = (id) => document.getElementById(id);
const form = place("ask");
const banner = new Banner(place("banner"), place("link"), () => asking?.hurry());
// What is asked, and the latest view of it.
let asking = null;
let view = null;

place("title").maxLength = TITLE_CHARS;
place("topic").maxLength = TOPIC_CHARS;
place("add-field").addEventListener("click", addField);
place("cancel").addEventListener("click", cancel);
place("again").addEventListener("click", again);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask({ key: randomName(), body: read() });
});
setInterval(tick, 1000);
whenKnown().then(({ roles }) => {
  if (asking || roles.includes("requester")) return;
  form.hidden = true;
  setText(place("may-not"), t("may-not-ask", { roles: roles.join(", ") }));
});
{
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (kept) ask({ ...kept, resumed: true });
}

function addField() {
  const rows = place("fields");
  if (rows.children.length >= FIELDS) return;
  const input = (name, most, key) =>
    el("input", { name, maxlength: most, "aria-label": t(key), placeholder: t(key), autocomplete: "off" });
  const remove = el("button", { type: "button", class: "quiet", "aria-label": t("remove-field") }, "×");
  const row = el(
    "div",
    { class: "field" },
    input("name", FIELD_NAME_CHARS, "field-name"),
    input("value", FIELD_VALUE_CHARS, "field-value"),
    remove,
  );
  remove.addEventListener("click", () => {
    row.remove();
    place("add-field").focus();
  });
  rows.append(row);
  row.firstElementChild.focus();
}

// Only members that differ from their defaults are sent.
function read() {
  const body = { title: place("title").value };
  const details = place("details").value;
  if (details) body.details = details;
  const fields = [...place("fields").children].map((row) => {
    const [name, value] = row.querySelectorAll("input");
    return { name: name.value, value: value.value };
  });
  const filled = fields.filter(({ name, value }) => name || value);
  if (filled.length > 0) body.fields = filled;
  const topic = place("topic").value.trim();
  if (topic) body.topic = topic;
  body.expires_in_secs = Number(place("expires").value);
  return body;
}

// Asks, and waits for the answer.
function ask(kept) {
  if (asking) return;
  keep(kept);
  showStage("asked");
  place("asked-title").replaceChildren(...visibleNodes(kept.body.title));
  say(t(kept.withdrawn ? "cancelling" : "asking"));
  place("cancel").disabled = Boolean(kept.withdrawn);
  place("asked-title").focus({ preventScroll: true });
  const link = banner.show.bind(banner);
  asking = new Asking(kept, { view: show, gone, refused, said: say, stuck, link, count });
}

// So that a reload goes on with it.
function keep(kept) {
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
}

function say(text) {
  setText(place("said"), text);
}

function count(polls) {
  place("polls").hidden = false;
  setText(place("polls"), t("poll", { count: polls }));
}

function show(newer) {
  if (!view && !place("cancel").disabled) say("");
  view = newer;
  document.title = tabTitle(view);
  const link = place("asked-link");
  link.href = `/r/${view.id}`;
  setText(link, `${location.origin}/r/${view.id}`);
  place("asked-where").hidden = false;
  if (view.approvers_connected !== undefined) place("nobody").hidden = view.approvers_connected > 0;
  // Whoever has opened it since was there after all.
  if (view.seen_by.length > 0) place("nobody").hidden = true;
  if (view.status === "pending") tick();
  else finish(view.status, outcome(view), deciding(view)?.reason);
}

function gone() {
  finish("gone", t("gone"));
}

function finish(state, text, reason) {
  say("");
  place("asked").dataset.state = state;
  setText(place("progress"), "");
  for (const id of ["asked-where", "nobody"]) place(id).hidden = true;
  setText(place("outcome"), text);
  const given = place("given");
  given.hidden = !reason;
  given.replaceChildren(...(reason ? [`${t("reason")}: `, ...visibleNodes(reason)] : []));
  const hadFocus = [document.body, place("cancel")].includes(document.activeElement);
  place("cancel").hidden = true;
  offer("again");
  if (hadFocus) place("outcome").focus({ preventScroll: true });
}

// It was not asked, or `unsure`: back to the form, with all that was typed.
function refused(why, unsure) {
  end();
  setText(place("refused"), unsure ? t("asked-unsure", { why }) : why);
}

// One of these buttons comes where another was; a click that was meant for that one does nothing.
function offer(id) {
  const button = place(id);
  if (button.hidden) watch(button);
  button.hidden = false;
  button.disabled = false;
}

function isMeant(id) {
  const holds = holdsStill(place(id));
  if (!holds) say(t("moved"));
  return holds;
}

function cancel() {
  if (!isMeant("cancel")) return;
  keep({ ...JSON.parse(sessionStorage.getItem(KEPT)), withdrawn: true });
  place("cancel").disabled = true;
  place("again").hidden = true;
  say(t("cancelling"));
  asking.cancel();
}

// It could not be cancelled; who asked may try again, or leave it.
function stuck(why) {
  offer("cancel");
  offer("again");
  say(t("cancel-failed", { why }));
}

function again() {
  if (!isMeant("again")) return;
  form.reset();
  place("fields").replaceChildren();
  end();
}

function end() {
  asking.leave();
  [asking, view] = [null, null];
  sessionStorage.removeItem(KEPT);
  document.title = "pushd";
  showStage("form");
  place("title").focus();
}

function showStage(stage) {
  form.hidden = stage !== "form";
  const asked = place("asked");
  asked.hidden = stage !== "asked";
  asked.dataset.state = "pending";
  for (const id of ["asked-where", "nobody", "given", "again", "cancel", "polls"]) place(id).hidden = true;
  if (stage === "asked") offer("cancel");
  for (const id of ["refused", "outcome", "progress"]) setText(place(id), "");
}

// The daemon's policy may want several votes of what the form has asked.
function progress() {
  const time = times(view, now());
  if (isPlain(view)) return time;
  const have = standing(view).approvals;
  return `${t("approvals-so-far", { have, needed: view.approvals_needed })} · ${time}`;
}

function tick() {
  banner.tick();
  if (view?.status === "pending") setText(place("progress"), progress());
}
