// Telling the daemon a decision, or that it is taken back, again and again until it is too late to
// matter.

import { BACKOFF, DECIDE_TIME } from "./limits.js";
import { Refusal, Trouble, call } from "./api.js";
import { now } from "./clock.js";
import { backoff, pause } from "./dom.js";
import { frozenUntil } from "./freezes.js";
import { makeRoom } from "./room.js";
import { pointInTime, t } from "./words.js";

/**
 * Sends a decision; `tell` hears of each failed attempt. Answers how it ended:
 *
 * - `{outcome: "counted", view}`: it counts.
 * - `{outcome: "too-late", view}`: the request was final before.
 * - `{outcome: "changed", view}`: the request is another than the one that was on the screen.
 * - `{outcome: "wrong-code", view, left}`: it is another match code; `left` tries are left, and with
 *   none the request is denied.
 * - `{outcome: "gone"}`: there is no such request.
 * - `{outcome: "failed", why, unsure, view}`: it does not count as far as we know; `unsure` when it
 *   may count all the same, because an answer was lost. There is a view when the daemon sent one.
 *
 * Sending it again is always safe: the same verdict by the same approver counts once, and a wrong
 * match code never approves.
 */
export function decide({ id, version }, verdict, { reason, code }, tell) {
  const body = { verdict, version };
  if (reason) body.reason = reason;
  if (code) body.match_code = code;
  return insist("POST", id, { body }, tell);
}

/** Takes the caller's vote back, in the same way. */
export const takeBack = ({ id }, tell) => insist("DELETE", id, {}, tell);

async function insist(method, id, members, tell) {
  const until = performance.now() + DECIDE_TIME;
  let unsure = false;
  for (let attempt = 0; ; attempt += 1) {
    makeRoom();
    try {
      const { body: view } = await call(method, `/v1/requests/${id}/decision`, members);
      return { outcome: "counted", view };
    } catch (error) {
      if (error instanceof Refusal) return refused(error, unsure);
      if (!(error instanceof Trouble)) throw error;
      unsure ||= error.unsure;
      const next = Math.max(backoff(attempt, BACKOFF), error.pause);
      if (performance.now() + next >= until) {
        return { outcome: "failed", why: error.message, unsure };
      }
      tell({ attempt: attempt + 1, why: error.message });
      await pause(next);
    }
  }
}

function refused(refusal, unsure) {
  const view = refusal.request;
  if (refusal.code === "already_final" && view) return { outcome: "too-late", view };
  if (refusal.code === "other_version" && view) return { outcome: "changed", view };
  if (refusal.code === "wrong_match_code" && view) {
    return { outcome: "wrong-code", view, left: refusal.triesLeft };
  }
  if (refusal.status === 404) return { outcome: "gone" };
  const why = refusal.code === "frozen" ? frozen(refusal) : refusal.message;
  return { outcome: "failed", why, unsure, view };
}

// Until when nothing is approved, by the daemon's word or by the request's own.
function frozen({ pause: rest, request }) {
  const known = request ? frozenUntil(request, now()) : "";
  const until = rest > 0 ? pointInTime(now() + rest, now()) : known;
  return until ? t("frozen-until", { until }) : t("frozen");
}
