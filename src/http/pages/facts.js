// What the daemon knows of a request, in words.

import { visible } from "./visible.js";
import { duration, pointInTime, t } from "./words.js";

/** Somebody, as the daemon knows them. */
export function party({ principal, address }) {
  const name = visible(principal);
  return address ? t("party", { name, address: visible(address) }) : name;
}

/** Milliseconds that are left, by the daemon's clock. */
export const timeLeft = (view, now) => Math.max(0, Date.parse(view.expires_at) - now);

/** The part of its time that is left, from 0 to 1. */
export function partLeft(view, now) {
  const whole = Date.parse(view.expires_at) - Date.parse(view.created_at);
  return whole > 0 ? Math.min(1, timeLeft(view, now) / whole) : 0;
}

/** When it was asked, how much time is left, and until when. */
export function times(view, now) {
  const age = duration(now - Date.parse(view.created_at));
  const until = pointInTime(Date.parse(view.expires_at), now);
  const left = timeLeft(view, now);
  if (left === 0) return t("times-over", { age, until });
  return t("times", { age, left: duration(left), until });
}

// The decisions that its state comes from.
function decisive({ status, decisions }) {
  const verdict = { approved: "approve", denied: "deny" }[status];
  return decisions.filter((decision) => decision.verdict === verdict);
}

/** The decision that made it final. */
export const deciding = (view) => decisive(view).at(-1);

/** What became of it, in a sentence. */
export function outcome(view) {
  const by = decisive(view).map(({ approver }) => party(approver)).join(", ");
  switch (view.status) {
    case "approved":
      return by ? t("approved-by", { by }) : t("approved");
    case "denied":
      return by ? t("denied-by", { by }) : t("denied");
    case "expired":
      return t("expired");
    case "cancelled":
      return t(view.lease_ended ? "lease-ended" : "cancelled");
    case "pending":
      return t("pending");
    default:
      return t("settled-otherwise");
  }
}

const TABS = {
  pending: "tab-pending",
  approved: "tab-approved",
  denied: "tab-denied",
  expired: "tab-expired",
  cancelled: "tab-cancelled",
};

/** What a tab says of it: our own word comes first, so that no title can pass for one. */
export const tabTitle = (view) => t(TABS[view.status] ?? "tab-settled", { title: visible(view.title) });

/** How long ago it was decided, if it is known when. */
export function settledAgo(view, now) {
  const at = view.decided_at ?? (view.status === "expired" ? view.expires_at : null);
  return at ? t("ago", { age: duration(now - Date.parse(at)) }) : "";
}

/** When an approval was used, if it was. */
export function usedAt({ consumed_at: at }, now) {
  return at ? t("used-at", { time: pointInTime(Date.parse(at), now) }) : "";
}
