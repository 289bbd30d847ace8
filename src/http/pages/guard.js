// A click decides only what has been in its place for a while, and a key only where the focus has.
//
// A card that jumps in under the pointer must not steal a click that was meant for another, nor a
// button to which the focus jumps a key. So each button that decides is watched, and a click or a
// key within CLICK_GUARD of its last move, whatever moved it, decides nothing; nor does a key
// within CLICK_GUARD of the focus's coming. Places are looked at after all that can move something;
// a move that was overlooked is found at the click itself, so that it can only make one not count.

import { CLICK_GUARD } from "./limits.js";
import { isVisible } from "./dom.js";

// Button -> {at: its place, since: when it came there}.
const watched = new Map();
let isDue = false;
// Where the focus is, and since when.
let focus = { on: null, since: 0 };

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

const isLongAgo = (since) => performance.now() - since >= CLICK_GUARD;

/** Whether a button has been in its place for long enough for a click on it to decide. */
export function holdsStill(button) {
  if (!watched.has(button)) return false;
  look(button);
  return isLongAgo(watched.get(button).since);
}

/** Whether the focus has been on it for long enough for a key to decide, if it also holds still. */
export function holdsFocus(button) {
  if (focus.on !== document.activeElement) focusCame();
  return focus.on === button && isLongAgo(focus.since);
}

function focusCame() {
  focus = { on: document.activeElement, since: performance.now() };
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
/** Something lies, or has lain, on these buttons: they come to their places now. */
export function coveredBy(element) {
  const above = element.getBoundingClientRect();
  for (const button of [...watched.keys()]) {
    const { left, right, top, bottom } = button.getBoundingClientRect();
    const isUnder =
      left < above.right && right > above.left && top < above.bottom && bottom > above.top;
    if (isUnder) watch(button);
  }
}

// A page that has just come into view has come under the pointer as a whole, and so has one from
// above which another window was closed between two clicks. A finger is nowhere before it touches.
function startOver() {
  for (const button of [...watched.keys()]) watch(button);
}
// So it is with the focus, which comes to a button or with the whole window.
addEventListener("focus", focusCame, { capture: true });
document.addEventListener("visibilitychange", () => isVisible() && startOver());
document.documentElement.addEventListener("pointerenter", ({ pointerType }) => {
  if (pointerType === "mouse") startOver();
});
