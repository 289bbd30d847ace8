// A click decides only what has been in its place for a while.
//
// A card that jumps in under the pointer must not steal a click that was meant for another. So
// each button that decides is watched, and a click within CLICK_GUARD of its last move, whatever
// moved it, decides nothing. Places are looked at after all that can move something; a move that
// was overlooked is found at the click itself, so that it can only make a click not count.

import { CLICK_GUARD } from "./limits.js";
import { isVisible } from "./dom.js";

// Button -> {at: its place, since: when it came there}.
const watched = new Map();
let isDue = false;

function place(button) {
  const { left, top, width, height } = button.getBoundingClientRect();
  return [left, top, width, height].map(Math.round).join(" ");
}

function look(button) {
  const at = place(button);
  if (watched.get(button).at !== at) watched.set(button, { at, since: performance.now() });
}

function lookSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    for (const button of watched.keys()) look(button);
  });
}

/** Watches a button from now on. */
export function watch(button) {
  watched.set(button, { at: "", since: performance.now() });
  lookSoon();
}

/** Watches it no longer. */
export function unwatch(button) {
  watched.delete(button);
}

/** Whether a click on this button may decide: it has been in its place for long enough. */
export function holdsStill(button) {
  if (!watched.has(button)) return false;
  look(button);
  return performance.now() - watched.get(button).since >= CLICK_GUARD;
}

new MutationObserver(lookSoon).observe(document.documentElement, {
  subtree: true,
  childList: true,
  characterData: true,
  attributes: true,
});
for (const name of ["scroll", "resize", "toggle", "pointerover"]) {
  addEventListener(name, lookSoon, { capture: true, passive: true });
}
globalThis.visualViewport?.addEventListener("resize", lookSoon);
// A page that has just come into view has come under the pointer as a whole, and so has one from
// above which another window was closed between two clicks, or something of our own that lay on the
// buttons. A finger is nowhere before it touches.
/** All buttons come to their places now. */
export function startOver() {
  for (const button of [...watched.keys()]) watch(button);
}
document.addEventListener("visibilitychange", () => isVisible() && startOver());
document.documentElement.addEventListener("pointerenter", ({ pointerType }) => {
  if (pointerType === "mouse") startOver();
});
