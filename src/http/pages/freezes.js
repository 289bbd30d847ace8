// When approvals are not taken: the words of src/wire/terms.rs, in the reader's own.
//
// Whether one holds is for people to read; what counts is what the daemon says.

import { language, pointInTime, t } from "./words.js";

const ONCE = /^from (\S+) until (\S+)$/;
const WEEKLY = /^(every day|[a-z]{3}(?:, [a-z]{3})*), from (\d\d:\d\d) until (\d\d:\d\d)( the next day)? \((\S+)\)$/;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** `{words, end}` for a freeze: what it is, and until when it holds if it does so at `now`. */
export function freeze(text, now) {
  return once(text, now) ?? weekly(text, now) ?? { words: text, end: "" };
}

/** Until when approvals are not taken, in words; empty if they are, as far as is known. */
export function frozenUntil({ freezes = [] }, now) {
  return freezes.map((text) => freeze(text, now).end).find(Boolean) ?? "";
}

function once(text, now) {
  const times = (ONCE.exec(text) ?? []).slice(1).map(Date.parse);
  if (times.length === 0 || times.some(Number.isNaN)) return null;
  const [from, until] = times.map((time) => pointInTime(time, now));
  return { words: t("freeze", { from, until }), end: times[0] <= now && now < times[1] ? until : "" };
}

function weekly(text, now) {
  const found = WEEKLY.exec(text);
  if (!found) return null;
  const [, named, from, until, isOverNight, zone] = found;
  const days = named === "every day" ? DAYS : named.split(", ");
  const values = { days: inWords(named, days), from, until, zone };
  return {
    words: t(isOverNight ? "freeze-nights" : "freeze-days", values),
    end: isWithin(days, values, Boolean(isOverNight), now) ? t("time-there", { time: until, zone }) : "",
  };
}

function inWords(named, days) {
  if (named === "every day") return t("every-day");
  const name = new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" });
  // The first day of 2024 was a Monday.
  return days.map((day) => name.format(Date.UTC(2024, 0, 1 + DAYS.indexOf(day)))).join(", ");
}

// By the clocks there; in the hour in which they are set it may be mistaken.
function isWithin(days, { from, until, zone }, isOverNight, now) {
  const there = timeThere(zone, now);
  if (!there) return false;
  const { day, time } = there;
  const dayBefore = DAYS[(DAYS.indexOf(day) + 6) % 7];
  if (!isOverNight) return days.includes(day) && from <= time && time < until;
  return (days.includes(day) && from <= time) || (days.includes(dayBefore) && time < until);
}

// The day of the week and the time; `null` in a zone that the browser does not know.
function timeThere(timeZone, now) {
  try {
    const options = { timeZone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const parts = new Intl.DateTimeFormat("en", options).formatToParts(now);
    const { weekday, hour, minute } = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
    return { day: weekday.toLowerCase(), time: `${hour}:${minute}` };
  } catch {
    return null;
  }
}
