// Calls to the daemon that these pages come from.
//
// Only a problem document with a code is the daemon's word (docs/protocol.md). Anything else that
// goes wrong, such as an error page of a proxy, is trouble that passes.

import { CALL_TIME, PAGE_LIST_PAGES } from "./limits.js";
import { heardDate } from "./clock.js";
import { t } from "./words.js";

/** The daemon says no; sending the same again would not help. */
export class Refusal extends Error {
  /** Members of the problem document; `pause`: milliseconds after which the answer may be another. */
  constructor({ status, code, detail, request, tries_left: triesLeft, pause = 0 }) {
    super(detail || code);
    Object.assign(this, { status, code, request, triesLeft, pause });
  }
}

// What becomes of a page whose calls are nobody's; without it they are refused like others.
let nobody = null;

/** Has `leave()` called when the daemon does not know who calls; that call is never answered. */
export function whenNobody(leave) {
  nobody = leave;
}

/** No usable answer; the same call may succeed later. */
export class Trouble extends Error {
  /**
   * `unsure`: whether the call may have counted all the same; `pause`: milliseconds that the
   * daemon asks to wait.
   */
  constructor(why, { unsure = true, pause = 0 } = {}) {
    super(why);
    Object.assign(this, { unsure, pause });
  }
}

/**
 * Makes a call; `wait` is how many seconds the daemon may hold it.
 * Answers `{status, headers, body}`; throws a `Refusal`, a `Trouble`, or an `AbortError` when the
 * signal aborts.
 */
export async function call(method, path, { body, headers = {}, wait = 0, signal } = {}) {
  const giveUp = new AbortController();
  const abort = () => giveUp.abort();
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  const timer = setTimeout(abort, wait * 1000 + CALL_TIME);
  const sent = { method, headers: { ...headers, "Pushd-Channel": "page" }, signal: giveUp.signal, cache: "no-store" };
  if (body !== undefined) {
    sent.body = JSON.stringify(body);
    sent.headers["Content-Type"] = "application/json";
  }
  try {
    const response = await fetch(path, sent);
    return judge(response, await response.text());
  } catch (error) {
    if (error instanceof Refusal && error.status === 401 && nobody) {
      nobody();
      // The page is about to go, and nothing of it goes on.
      return new Promise(() => {});
    }
    if (error instanceof Refusal || error instanceof Trouble) throw error;
    if (signal?.aborted) throw new DOMException("not wanted any more", "AbortError");
    throw new Trouble(t(giveUp.signal.aborted ? "trouble-silence" : "trouble-unreachable"));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * The newest requests that the caller may see, `count` at most. A page of the list may be short or
 * empty although more follows, so a few are read; throws what `call` does.
 */
export async function newest(count) {
  const views = [];
  let after = "";
  for (let page = 0; page < PAGE_LIST_PAGES && views.length < count; page += 1) {
    const { body } = await call("GET", `/v1/requests?limit=${count - views.length}${after}`);
    views.push(...body.requests);
    if (!body.next) break;
    after = `&after=${encodeURIComponent(body.next)}`;
  }
  return views;
}

function judge({ status, ok, headers }, text) {
  const body = parse(headers.get("Content-Type") ?? "", text);
  const isEmpty = status === 204 || status === 304;
  if (!isEmpty && !(ok ? body : body?.code)) throw new Trouble(t("trouble-answer", { status }));
  heardDate(headers.get("Date"));
  if (ok || isEmpty) return { status, headers, body };
  const pause = Number(headers.get("Retry-After")) * 1000 || 0;
  if (status < 500) throw new Refusal({ ...body, detail: plain(body), status, pause });
  throw new Trouble(body.detail || body.code, { unsure: body.code === "outcome_unknown", pause });
}

// Why the daemon says no, in the reader's language where that is worth it.
function plain({ code, detail }) {
  if (code === "own_request") return t("may-not-own");
  if (code === "not_an_approver") return t("may-not-approve");
  if (code === "reason_required") return t("reason-needed");
  if (code === "too_many_votes") return t("too-many-votes");
  return code === "forbidden" ? t("forbidden", { why: detail }) : detail;
}

// The JSON that the daemon sends; `null` for anything else.
function parse(kind, text) {
  if (!/^application\/(problem\+)?json\b/.test(kind)) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
