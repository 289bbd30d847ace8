// Says that new questions have come further down, out of view, and goes there when pressed.

import { setText } from "./dom.js";
import { coveredBy } from "./guard.js";
import { t } from "./words.js";

// Titles of cards that have come and were not in view since.
const unseen = new Set();
let button;

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) drop(target);
    else unseen.add(target);
  }
  show();
});

/** The button that says so. */
export function setUp(element) {
  button = element;
  button.addEventListener("click", () => {
    const [first] = unseen;
    first?.closest(".card").scrollIntoView({ block: "start" });
    first?.focus({ preventScroll: true });
  });
}

/** Watches a card that has just come. */
export function watch(card) {
  observer.observe(card.querySelector(".title"));
}

/** Watches it no longer. */
export function forget(card) {
  drop(card.querySelector(".title"));
  show();
}

function drop(title) {
  observer.unobserve(title);
  unseen.delete(title);
}

function show() {
  const wasHidden = button.hidden;
  // It lies on the cards: a tap that was meant for it must not reach a button below.
  if (!wasHidden) coveredBy(button);
  button.hidden = unseen.size === 0;
  setText(button, t("below", { count: unseen.size }));
  if (wasHidden && !button.hidden) coveredBy(button);
}
