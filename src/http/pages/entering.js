// The login page: a form for the token, or the question whether to log in by a link.
//
// A link may come from a stranger who wants their own token used here, so that what is decided
// next is decided in their name. So a link never logs in by itself: the page says whose token it
// brought, and asks. The token is in no text of the page and is kept by no script; what stays is
// the cookie.

import { BACKOFF } from "./limits.js";
import { Refusal, Trouble, call } from "./api.js";
import { backoff, pause, setText } from "./dom.js";
import { holdsFocus, holdsStill, watch } from "./guard.js";
import { onChange, pageAfter, tellChange } from "./logins.js";
import { visible } from "./visible.js";
import { t, translate } from "./words.js";

translate();
const place = (id) => document.getElementById(id);
const form = place("login");
const asked = new URLSearchParams(location.search).get("next");
// The token of a link, while the page asks about it.
let brought = null;
// Counts what the page was told to show, so that an answer that is late is known for it.
let turn = 0;

document.title = t("tab-login");
place("plain").hidden = globalThis.isSecureContext;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  logIn(place("token").value);
});
place("yes").addEventListener("click", ({ detail }) => {
  const isKey = detail === 0;
  const isMeant = holdsStill(place("yes")) && (!isKey || holdsFocus(place("yes")));
  if (isMeant) logIn(brought);
  else say(t(isKey ? "moved-key" : "moved"));
});
// Anew, so that a browser also forgets what was typed or scanned to come here.
place("no").addEventListener("click", () => location.replace(location.pathname + location.search));
place("on").addEventListener("click", goOn);
place("out").addEventListener("click", logOut);
onChange(async () => {
  if (brought) return;
  const me = await show();
  // Another tab has logged in, and this one only waits for that.
  if (me?.known && asked) goOn();
});

/** Shows who is logged in, or the form; answers who. */
export async function show() {
  brought = null;
  turn += 1;
  const me = await insist(turn, caller);
  if (me === undefined) return null;
  say("");
  if (me) showInside(me);
  else showForm();
  return me;
}

/** Asks whether to log in by the token that a link brought. */
export async function enrol(token) {
  turn += 1;
  const mine = turn;
  brought = token;
  stage(null);
  try {
    const owner = await insist(mine, () => ownerOf(token));
    const me = owner && (await insist(mine, caller));
    if (me === undefined || mine !== turn) return;
    say("");
    if (owner.known) {
      confirm(owner, me);
      return;
    }
    brought = null;
    showInside(owner);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (mine !== turn) return;
    brought = null;
    say(t("login-link-wrong", { why: error.message }));
    showForm();
  }
}

// Tries until the daemon answers; `undefined` when something else is to be shown by then.
async function insist(mine, ask) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await ask();
      return mine === turn ? answer : undefined;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (mine !== turn) return undefined;
      say(t("login-trouble", { why: error.message }));
      await pause(backoff(attempt, BACKOFF));
    }
  }
}

async function ownerOf(token) {
  const headers = { Authorization: `Bearer ${token}` };
  return (await call("GET", "/v1/me", { headers })).body;
}

// Who is logged in; `null` when nobody is.
async function caller() {
  try {
    return (await call("GET", "/v1/me")).body;
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return null;
    throw error;
  }
}

function showInside(me) {
  stage("inside");
  const name = visible(me.principal);
  setText(place("you"), me.known ? t("logged-in", { name }) : t("login-needless"));
  const [roles, topics] = [me.roles, me.topics].map((words) => words.map(visible).join(", "));
  setText(place("rights"), me.known ? t("logged-in-rights", { roles, topics }) : "");
  place("out").hidden = !me.known;
  place("you").focus();
}

function showForm() {
  stage("login");
  place("token").focus();
}

// The focus goes to the question, so that no key that was meant for another page answers it.
function confirm(owner, me) {
  stage("confirm");
  const name = visible(owner.principal);
  setText(place("question"), t("login-confirm", { name }));
  setText(place("who"), t("login-confirm-hint", { name }));
  const isOther = me?.known && me.principal !== owner.principal;
  setText(place("instead"), isOther ? t("login-instead", { name: visible(me.principal) }) : "");
  setText(place("yes"), t("login-yes", { name }));
  watch(place("yes"));
  place("question").focus();
}

function stage(name) {
  for (const id of ["inside", "confirm", "login"]) place(id).hidden = id !== name;
}

const say = (text) => setText(place("said"), text);

async function logIn(token) {
  busy(true);
  say("");
  try {
    const { body: me } = await call("POST", "/v1/session", { body: { token } });
    // The browser may have kept no cookie.
    if (await caller()) {
      say(t("logged-in", { name: visible(me.principal) }));
      tellChange();
      goOn();
      return;
    }
    say(t("login-no-cookie"));
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof Trouble)) throw error;
    say(t(error.status === 401 ? "login-wrong" : "login-failed", { why: error.message }));
  }
  busy(false);
  if (!form.hidden) place("token").select();
}

function busy(isBusy) {
  for (const button of document.querySelectorAll("main button")) button.disabled = isBusy;
}

// Not back to here, with what was typed.
function goOn() {
  location.replace(pageAfter(asked));
}

async function logOut() {
  try {
    await call("DELETE", "/v1/session");
    tellChange();
    await show();
  } catch (error) {
    say(t("logout-failed", { why: error.message }));
  }
}
