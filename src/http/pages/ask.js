// Client A's page: a form, a long poll with a count, and the outcome.
//
// The idempotency key is made before the first send and kept with what is asked, so that neither a
// lost answer nor a reload asks twice.

import {
  BACKOFF,
  DECIDE_TIME,
  FIELD_NAME_CHARS,
  FIELD_VALUE_CHARS,
  FIELDS,
  TITLE_CHARS,
  TOPIC_CHARS,
} from "./limits.js";
import { Refusal, Trouble, call } from "./api.js";
import { Banner } from "./banner.js";
import { now } from "./clock.js";
import { backoff, el, pause, randomName, setText } from "./dom.js";
import { deciding, outcome, times } from "./facts.js";
import { Poll } from "./poll.js";
import { makeRoom } from "./room.js";
import { visibleNodes } from "./visible.js";
import { t, translate } from "./words.js";

const KEPT = "pushd-asked";

translate();
const place = (id) => document.getElementById(id);
const form = place("ask");
const banner = new Banner(place("banner"), place("link"), () => poll?.hurry());
let poll = null;
let view = null;
let sending = null;

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
{
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (kept) ask(kept);
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
  if (fields.length > 0) body.fields = fields;
  const topic = place("topic").value.trim();
  if (topic) body.topic = topic;
  body.expires_in_secs = Number(place("expires").value);
  return body;
}

// Sends it until the daemon has it, and waits for the answer.
async function ask(kept) {
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
  sending = new AbortController();
  const { signal } = sending;
  setText(place("refused"), "");
  showStage("asked");
  place("asked-title").replaceChildren(...visibleNodes(kept.body.title));
  setText(place("progress"), t("asking"));
  let unsure = false;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      makeRoom();
      const { body } = await call("POST", "/v1/requests", {
        body: kept.body,
        headers: { "Idempotency-Key": kept.key },
        signal,
      });
      sending = null;
      return wait(body);
    } catch (error) {
      if (error instanceof Trouble) {
        unsure ||= error.unsure;
        setText(place("progress"), t("asking-again", { attempt: attempt + 1, why: error.message }));
        await pause(Math.max(backoff(attempt, BACKOFF), error.pause), signal);
      } else {
        return refuse(error instanceof Refusal ? error.message : t("stopped"), unsure);
      }
    }
  }
  refuse(t("stopped"), true);
}

function refuse(why, unsure) {
  sending = null;
  sessionStorage.removeItem(KEPT);
  showStage("form");
  setText(place("refused"), unsure ? t("asked-unsure", { why }) : why);
  place("title").focus();
}

function wait(asked) {
  show(asked);
  if (asked.status !== "pending") return;
  const count = (polls) => {
    place("polls").hidden = false;
    setText(place("polls"), t("poll", { count: polls }));
  };
  const gone = () => finish("gone", t("gone"));
  poll = new Poll(asked.id, { view: show, gone, link: banner.show.bind(banner), count }, asked);
}

function show(newer) {
  view = newer;
  const link = place("asked-link");
  link.href = `/r/${view.id}`;
  setText(link, `${location.origin}/r/${view.id}`);
  place("asked-where").hidden = false;
  if (view.status === "pending") tick();
  else finish(view.status, outcome(view), deciding(view)?.reason);
}

function finish(state, text, reason) {
  place("asked").dataset.state = state;
  setText(place("progress"), "");
  place("asked-where").hidden = true;
  setText(place("outcome"), text);
  const given = place("given");
  given.hidden = !reason;
  given.replaceChildren(...(reason ? [`${t("reason")}: `, ...visibleNodes(reason)] : []));
  place("cancel").hidden = true;
  place("again").hidden = false;
}

async function cancel() {
  if (sending) return sending.abort();
  place("cancel").disabled = true;
  const until = performance.now() + DECIDE_TIME;
  for (let attempt = 0; performance.now() < until && view.status === "pending"; attempt += 1) {
    makeRoom();
    try {
      const { body } = await call("DELETE", `/v1/requests/${view.id}`);
      poll?.stop();
      show(body);
      break;
    } catch (error) {
      // It was decided in the meantime, which the poll tells.
      if (error instanceof Refusal) break;
      setText(place("progress"), t("cancelling-again", { attempt: attempt + 1, why: error.message }));
      await pause(backoff(attempt, BACKOFF));
    }
  }
  place("cancel").disabled = false;
}

function again() {
  poll?.stop();
  [poll, view] = [null, null];
  sessionStorage.removeItem(KEPT);
  form.reset();
  place("fields").replaceChildren();
  showStage("form");
  place("title").focus();
}

function showStage(stage) {
  form.hidden = stage !== "form";
  const asked = place("asked");
  asked.hidden = stage !== "asked";
  asked.dataset.state = "pending";
  for (const id of ["asked-where", "given", "again", "polls"]) place(id).hidden = true;
  place("cancel").hidden = false;
  setText(place("outcome"), "");
}

function tick() {
  banner.tick();
  if (view?.status === "pending") setText(place("progress"), times(view, now()));
}
