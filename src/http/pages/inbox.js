// The inbox: all that is pending as cards, and what was decided recently.

import { PAGE_CARDS, PAGE_LINGER, PAGE_LINGERING, PAGE_RECENT } from "./limits.js";
import { Alerts } from "./alerts.js";
import { Banner } from "./banner.js";
import * as below from "./below.js";
import { mayApprove, whenKnown, whyNot } from "./caller.js";
import { Card } from "./card.js";
import { now } from "./clock.js";
import { el, isVisible, setText } from "./dom.js";
import { outcome, party, settledAgo, usedAt } from "./facts.js";
import { Feed } from "./feed.js";
import * as notify from "./notify.js";
import * as seen from "./seen.js";
import { visible, visibleNodes } from "./visible.js";
import { t, translate } from "./words.js";

translate();
const place = (id) => document.getElementById(id);
const list = place("waiting");
// Id -> card on the page; id -> when a settled one may leave it.
const cards = new Map();
const leaving = new Map();
let isCaughtUp = false;
let isDrawn = false;
let isDue = false;

const banner = new Banner(place("banner"), place("link"), () => feed.hurry());
const alerts = new Alerts(announce);
notify.setUp(place("notify"));
below.setUp(place("below"));
const feed = new Feed({ changed, link: banner.show.bind(banner), caughtUp });
setInterval(tick, 1000);
document.addEventListener("visibilitychange", () => isVisible() && tick());
showCaller();

function changed(view, before) {
  const id = (view ?? before).id;
  const card = cards.get(id);
  if (card && view) card.update(view);
  if (card && !view) card.gone();
  if (card && view?.status !== "pending") settle(id, card);
  if (view?.status === "pending" && !before && isCaughtUp && isFor(view)) alerts.asked(view);
  if (view?.status !== "pending") {
    alerts.settled(id);
    notify.settled(id);
  }
  drawSoon();
}

// Whether the caller is among those who are asked, and not only among those who may see or deny it.
const isFor = (view) => !whyNot(view) && mayApprove(view);

// Not before it is known who may decide what.
async function caughtUp() {
  await whenKnown();
  isCaughtUp = true;
  drawSoon();
}

function announce(views) {
  const [{ title }] = views;
  const isOne = views.length === 1;
  setText(
    place("news"),
    isOne ? t("announce", { title: visible(title) }) : t("more-asked", { count: views.length }),
  );
  if (feed.leads) notify.tell(views);
}

// A settled card stays for a moment, so that what happened to it can be read; not too many at once,
// or whoever asks and cancels in a loop would fill the page.
function settle(id, card) {
  seen.forget(card.element);
  below.forget(card.element);
  if (leaving.has(id)) return;
  leaving.set(id, performance.now() + PAGE_LINGER);
  for (const first of [...leaving.keys()].slice(0, -PAGE_LINGERING)) remove(first);
}

function drawSoon() {
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    draw();
  });
}

function draw() {
  const pending = feed.requests.pending();
  // Not before all are known, so that those that were asked first stand first.
  for (const view of isCaughtUp ? pending : []) {
    if (cards.size - leaving.size >= PAGE_CARDS) break;
    if (!cards.has(view.id)) add(view);
  }
  isDrawn ||= isCaughtUp;
  const shown = cards.size - leaving.size;
  const count = pending.length;
  place("nothing").hidden = !isCaughtUp || cards.size > 0;
  const more = place("more");
  more.hidden = count <= shown;
  setText(more, t(feed.requests.overflows ? "more-than" : "more", { count: count - shown }));
  setText(place("count"), isCaughtUp || count > 0 ? String(count) : "");
  document.title = count > 0 ? `(${count}) pushd` : "pushd";
  // An installed page shows the count on its icon.
  navigator.setAppBadge?.(count).catch(() => {});
  drawSettled();
}

// At the end, whatever its age, so that nothing above it moves.
function add(view) {
  const card = new Card(view, { level: 3, learn: (newer) => feed.requests.take(newer) });
  cards.set(view.id, card);
  list.append(el("li", {}, card.element));
  seen.watchFor(card.element, view.id);
  // What was there from the start is no news.
  if (isDrawn) below.watch(card.element);
}

function drawSettled() {
  const settled = feed.requests.settled().slice(0, PAGE_RECENT);
  const rows = settled.map((view) =>
    el(
      "li",
      { "data-state": view.status, "data-id": view.id, class: view.lease_ended ? "struck" : null },
      el("a", { href: `/r/${view.id}`, class: "frame title", dir: "auto" }, ...visibleNodes(view.title)),
      el("span", { class: "what" }, [outcome(view), usedAt(view, now())].filter(Boolean).join(" · ")),
      el("span", { class: "ago" }, settledAgo(view, now())),
      el("span", { class: "who" }, t("asked-by", { by: party(view.requester) })),
    ),
  );
  const recent = place("recent");
  const drawn = settled.map(({ id, event_id: event }) => `${id} ${event}`).join("\n");
  if (recent.dataset.drawn !== drawn) recent.replaceChildren(...rows);
  recent.dataset.drawn = drawn;
  place("recently").hidden = rows.length === 0;
}

function tick() {
  banner.tick();
  const at = performance.now();
  for (const [id, due] of leaving) {
    if (due <= at) remove(id);
  }
  if (!isVisible()) return;
  for (const card of cards.values()) card.tick();
  for (const row of place("recent").children) {
    const view = feed.requests.get(row.dataset.id);
    if (view) setText(row.querySelector(".ago"), settledAgo(view, now()));
  }
}

// A card in which somebody scrolls a text stays until they are done. Any other focus in it goes
// on to the next question, and never to a button.
function remove(id) {
  const { element } = cards.get(id);
  const item = element.parentElement;
  const focused = document.activeElement;
  const hasFocus = element.contains(focused);
  if (hasFocus && focused.matches(".scrolling")) return;
  leaving.delete(id);
  cards.delete(id);
  if (hasFocus) {
    const titles = [...cards.keys()].filter((other) => !leaving.has(other)).map((other) => `title-${other}`);
    const isBelow = (title) => item.compareDocumentPosition(place(title)) & Node.DOCUMENT_POSITION_FOLLOWING;
    place(titles.find(isBelow) ?? titles.at(-1) ?? "main").focus({ preventScroll: true });
  }
  item.remove();
  drawSoon();
}

async function showCaller() {
  const me = await whenKnown();
  setText(place("me"), t("you-are", { name: party(me) }));
  if (!me.roles.includes("approver")) setText(place("whose"), t("waiting-others"));
}
