// Elements made of values. Text only ever becomes a text node, whoever wrote it.

/** Makes an element. An attribute that is `false`, `null` or `undefined` is left out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Sets a text if it is another one, so that nothing is announced or laid out in vain. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Whether somebody can see this page now. */
export const isVisible = () => document.visibilityState === "visible";

/** Random characters that name something: 128 bits, also where there is no secure context. */
export function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Resolves after so many milliseconds, or at once when the signal aborts. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}

/** A pause before attempt `attempt` (from 0): it doubles from `base` to `most`, with jitter. */
export function backoff(attempt, [base, most]) {
  const longest = Math.min(most, base * 2 ** Math.min(attempt, 20));
  return longest / 2 + (Math.random() * longest) / 2;
}
