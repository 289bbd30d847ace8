// Tells the daemon that a question is on a screen that somebody can see.
//
// A requester is shown it ("opened by"). It is a courtesy: told once, late rather than wrong, and
// nothing depends on whether it arrives.

import { SEEN_TIME } from "./limits.js";
import { call } from "./api.js";
import { isVisible } from "./dom.js";

// Element -> {id, timer}; those that have been told are not in it.
const watched = new Map();

const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const { height } = entry.intersectionRect;
      const isInView = height >= 0.6 * Math.min(entry.boundingClientRect.height, innerHeight);
      schedule(entry.target, isInView && height > 0);
    }
  },
  { threshold: [0, 0.2, 0.4, 0.6, 0.8, 1] },
);

function schedule(element, isInView) {
  const seen = watched.get(element);
  if (!seen) return;
  seen.isInView = isInView;
  clearTimeout(seen.timer);
  if (isInView && isVisible()) seen.timer = setTimeout(() => tell(element), SEEN_TIME);
}

async function tell(element) {
  const seen = watched.get(element);
  if (!seen || !isVisible()) return;
  forget(element);
  try {
    await call("POST", `/v1/requests/${seen.id}/seen`);
  } catch {
    // Nobody misses it.
  }
}

/** Tells it once this element, which shows the request, has been in view for a while. */
export function watchFor(element, id) {
  watched.set(element, { id, timer: 0, isInView: false });
  observer.observe(element);
}

/** Does not tell it any more. */
export function forget(element) {
  clearTimeout(watched.get(element)?.timer);
  watched.delete(element);
  observer.unobserve(element);
}

document.addEventListener("visibilitychange", () => {
  for (const [element, { isInView }] of watched) schedule(element, isInView);
});
