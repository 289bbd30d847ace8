// One request alone, made for a phone.

import { Banner } from "./banner.js";
import { whenKnown } from "./caller.js";
import { Card } from "./card.js";
import { now } from "./clock.js";
import { el, isVisible } from "./dom.js";
import { party, tabTitle } from "./facts.js";
import { Poll } from "./poll.js";
import * as seen from "./seen.js";
import { visible, visibleNodes } from "./visible.js";
import { pointInTime, t, translate } from "./words.js";

translate();
const place = (id) => document.getElementById(id);
const [, , id] = location.pathname.split("/");
let card = null;

const banner = new Banner(place("banner"), place("link"), () => poll.hurry());
const poll = new Poll(id, { view: showLater, gone, link: banner.show.bind(banner) });
setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);

// Not before it is known who may decide it.
async function showLater(view) {
  await whenKnown();
  show(view);
}

function show(view) {
  place("loading").hidden = true;
  if (card && view.event_id < card.view.event_id) return;
  if (card) {
    card.update(view);
  } else {
    card = new Card(view, { level: 1, learn: show });
    place("request").append(card.element);
    if (view.status === "pending") seen.watchFor(card.element, view.id);
  }
  const isPending = view.status === "pending";
  if (!isPending) seen.forget(card.element);
  place("done").hidden = isPending;
  document.title = tabTitle(view);
  if (view.history) drawHistory(view);
}

function gone() {
  place("loading").hidden = true;
  document.title = "pushd";
  if (card) card.gone();
  else place("missing").hidden = false;
}

function drawHistory({ history, lease_ended: leaseEnded }) {
  const words = {
    asked: "step-asked",
    seen: "step-seen",
    wrong_code: "step-wrong-code",
    approved: "step-approved",
    denied: "step-denied",
    took_back: "step-took-back",
    expired: "step-expired",
    cancelled: leaseEnded ? "step-lease-ended" : "step-cancelled",
    consumed: "step-consumed",
  };
  const rows = history.map(({ what, at, by, reason }) => {
    const row = el(
      "li",
      { "data-what": what },
      el("time", { datetime: at }, pointInTime(Date.parse(at), now())),
      el("span", {}, words[what] ? t(words[what]) : visible(what), by ? ` ${t("by", { by: party(by) })}` : ""),
    );
    if (reason) row.append(el("span", { class: "frame given", dir: "auto" }, ...visibleNodes(reason)));
    return row;
  });
  place("steps").replaceChildren(...rows);
  place("history").hidden = false;
}

function tick() {
  banner.tick();
  if (isVisible()) card?.tick();
}
