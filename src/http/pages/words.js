// What the pages say, in the language that the browser prefers, and how it writes times.

const LANGUAGES = { en: "en", "zh-hans": "zh-Hans", "zh-hant": "zh-Hant" };

function choose() {
  for (const wanted of navigator.languages ?? []) {
    if (/^en\b/i.test(wanted)) return "en";
    if (!/^zh\b/i.test(wanted)) continue;
    if (/\bhans\b/i.test(wanted)) return "zh-hans";
    return /\b(hant|tw|hk|mo)\b/i.test(wanted) ? "zh-hant" : "zh-hans";
  }
  return "en";
}

const chosen = choose();
const words = (await import(`./words-${chosen}.js`)).default;

/** The language, as HTML and Intl name it. */
export const language = LANGUAGES[chosen];

const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);

/** A text of ours with values in its places; `count` chooses the plural. */
export function t(key, values = {}) {
  let text = words[key] ?? key;
  if (typeof text === "object") text = text[plurals.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (place, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : (value ?? place);
  });
}

/** Puts our texts into a page, which comes in English. */
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of document.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
  for (const element of document.querySelectorAll("[data-t-hint]")) {
    element.setAttribute("placeholder", t(element.dataset.tHint));
  }
}

const unit = (name) =>
  new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short" });
const seconds = unit("second");
const minutes = unit("minute");
const hours = unit("hour");
const days = unit("day");

/**
 * A duration in one unit that is fine enough for it, cut and not rounded, so that no time is left
 * that is not there; `approver` cuts it in the same way.
 */
export function duration(milliseconds) {
  const whole = Math.max(0, Math.floor(milliseconds / 1000));
  if (whole < 120) return seconds.format(whole);
  if (whole < 7200) return minutes.format(Math.floor(whole / 60));
  if (whole < 172800) return hours.format(Math.floor(whole / 3600));
  return days.format(Math.floor(whole / 86400));
}

const clockTime = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const dateTime = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** A point in time in the reader's own time zone, with its date when it is not near. */
export function pointInTime(milliseconds, now) {
  const isNear = Math.abs(milliseconds - now) < 20 * 3600 * 1000;
  return (isNear ? clockTime : dateTime).format(milliseconds);
}
