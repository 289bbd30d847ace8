// Whom the daemon takes this browser for, and what becomes of a page when that changes.
//
// A page whose calls the daemon takes for nobody's goes to the login page, once, and shows nothing
// any more. One that finds somebody else logged in, or the same person with other rights, begins
// anew. A page learns of both by its own calls, from other pages, and whenever somebody looks at it
// again.

import { BACKOFF } from "./limits.js";
import { Refusal, Trouble, call, whenNobody } from "./api.js";
import { backoff, el, isVisible, pause, setText } from "./dom.js";
import { loginFor, onChange, tellChange } from "./logins.js";
import { visible } from "./visible.js";
import { t } from "./words.js";

let me = null;
let isLeaving = false;

whenNobody(() => leave(loginFor(location.pathname)));
const learning = learn();
onChange(look);
document.addEventListener("visibilitychange", () => isVisible() && look());
// A page that the browser had put away may be from before a logout.
addEventListener("pageshow", ({ persisted }) => persisted && look());

/** Resolves with the caller (`GET /v1/me`) once the daemon has told. */
export const whenKnown = () => learning;

/** Asks again who calls; a page that is not theirs begins anew. Throws as `call` does. */
export async function askAgain() {
  const { body } = await call("GET", "/v1/me");
  if (me && rights(body) !== rights(me)) location.reload();
}

/** Why the caller may not decide this request; `null` if they may, as far as is known. */
export function whyNot({ requester, self_approval: isOwnTaken }) {
  if (!me) return null;
  if (!me.roles.includes("approver")) return t("may-not-decide", { roles: me.roles.join(", ") });
  const isOwn = me.known && requester.principal === me.principal;
  return isOwn && !isOwnTaken ? t("may-not-own") : null;
}

const rights = ({ principal, known, roles, topics }) => JSON.stringify([principal, known, roles, topics]);

async function learn() {
  for (let attempt = 0; ; attempt += 1) {
    try {
      me = (await call("GET", "/v1/me")).body;
      if (me.known) offerLogout();
      return me;
    } catch (error) {
      if (!(error instanceof Refusal || error instanceof Trouble)) throw error;
      await pause(backoff(attempt, BACKOFF));
    }
  }
}

async function look() {
  try {
    await askAgain();
  } catch {
    // Whatever the page calls next tells the same.
  }
}

// Nothing that was told to somebody stays on the screen while the next page is fetched, nor in
// the history of this tab.
function leave(to) {
  if (isLeaving) return;
  isLeaving = true;
  document.body.hidden = true;
  document.title = "pushd";
  navigator.clearAppBadge?.().catch(() => {});
  tellChange();
  location.replace(to);
}

function offerLogout() {
  const name = el("span", { class: "caller", role: "status" }, visible(me.principal));
  const button = el("button", { type: "button", class: "quiet" }, t("logout"));
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await call("DELETE", "/v1/session");
      leave("/login");
    } catch (error) {
      name.classList.add("failed");
      setText(name, t("logout-failed", { why: error.message }));
      button.disabled = false;
    }
  });
  document.querySelector(".tools").append(name, button);
}
