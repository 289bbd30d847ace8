// What an inbox page knows, kept up to date: by its own stream, or by the page that leads.

import {
  PAGE_LOOK,
  PAGE_LOOK_GRACE,
  PAGE_LOOK_REQUESTS,
  PAGE_LOST,
  PAGE_RECENT,
  STREAM_BACKOFF,
} from "./limits.js";
import { Refusal, call, newest } from "./api.js";
import { heardExactly } from "./clock.js";
import { isVisible, pause } from "./dom.js";
import { Requests } from "./requests.js";
import { Stream } from "./stream.js";
import { Tabs } from "./tabs.js";

export class Feed {
  #stream = null;
  // Whether all that was pending when the stream began has been told.
  #isTold = false;
  #isFetching = false;
  #cursor = "";
  #link = { state: "opening" };
  #contact = null;
  #on;
  #tabs;
  #lookedAt = Date.now();

  /**
   * `on.changed(view, before)` hears of each change, `on.link(link, contact)` how the connection is
   * and when the daemon was last heard, and `on.caughtUp()` when all that is pending is known.
   */
  constructor(on) {
    this.#on = on;
    this.requests = new Requests(on.changed);
    this.#tabs = new Tabs({
      lead: () => this.#lead(),
      follow: () => this.#follow(),
      news: (news) => this.#apply(news),
      greet: () => this.#greet(),
    });
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => isVisible() && this.hurry());
    setInterval(() => this.#look(), PAGE_LOOK / 4);
    this.#fetchSettled();
  }

  /** Whether this page is the one that listens. */
  get leads() {
    return this.#tabs.leads;
  }

  /** Tries at once to be up to date: the network is back, or somebody looks or asks for it. */
  hurry() {
    this.#stream?.hurry();
    this.#lookedAt = 0;
    this.#look();
  }

  #lead() {
    this.#stream = new Stream({
      cursor: this.#cursor,
      tell: (event) => this.#share({ event }),
      link: (link) => this.#share({ link, contact: this.#contact }),
    });
  }

  #follow() {
    this.#stream?.close();
    this.#stream = null;
  }

  // Everything, for a page that has just come.
  #greet() {
    const views = this.requests.all();
    this.#tabs.tell({ views, cursor: this.#cursor, contact: this.#contact, link: this.#link });
  }

  // News for this page and all others.
  #share(news) {
    this.#apply(news);
    this.#tabs.tell(news);
  }

  #apply({ event, views, gone, cursor, contact, link }) {
    if (views) for (const view of views) this.requests.take(view);
    if (gone) this.requests.drop(gone);
    if (cursor !== undefined) this.#cursor = cursor;
    if (contact) this.#contact = contact;
    if (event) this.#heard(event);
    if (link) this.#link = link;
    if (link?.state === "live") {
      this.#contact = Date.now();
      this.#on.caughtUp();
    }
    if (link || contact || event) this.#on.link(this.#link, this.#contact);
  }

  #heard({ name, id, data }) {
    this.#cursor = id;
    if (name === "anew" || name === "reset") this.requests.beginAnew();
    if (name !== "anew") this.#contact = Date.now();
    if (name === "request") this.requests.take(data);
    if (name === "caught-up") {
      heardExactly(Date.parse(data.now));
      const lost = this.requests.caughtUp();
      if (this.#stream) this.#find(lost);
    }
    if (name === "anew" || name === "reset") this.#isTold = false;
    if (name === "caught-up") this.#isTold = true;
    this.#fetchTheRest();
  }

  // What was left out for want of room is fetched when there is some, by a stream that begins anew;
  // never while one is just beginning, or text that fills the room would be fetched without end.
  #fetchTheRest() {
    const wanted = () =>
      this.#stream && this.#isTold && this.requests.overflows && this.requests.hasRoom;
    if (this.#isFetching || !wanted()) return;
    this.#isFetching = true;
    setTimeout(() => {
      this.#isFetching = false;
      if (!wanted()) return;
      this.#isTold = false;
      this.#stream.cursor = "";
      this.#stream.open();
    }, STREAM_BACKOFF[0]);
  }

  // What was pending before a stream that began anew, and is not told by it, is final or gone.
  async #find(lost) {
    for (const id of lost.slice(PAGE_LOST)) this.#share({ gone: id });
    for (const id of lost.slice(0, PAGE_LOST)) {
      try {
        const { body } = await call("GET", `/v1/requests/${id}`);
        this.#share({ views: [body] });
      } catch (error) {
        if (error instanceof Refusal) this.#share({ gone: id });
      }
    }
  }

  // Only what is final is taken from a list: what is pending comes from the stream, which also
  // tells when that changes.
  async #fetchSettled() {
    for (;;) {
      try {
        const views = await newest(2 * PAGE_RECENT);
        for (const view of views) if (view.status !== "pending") this.requests.take(view);
        return;
      } catch {
        await pause(PAGE_LOOK / 4);
      }
    }
  }

  // A page does not see that a connection has died in silence, so it looks now and then whether
  // there is news that it was not told.
  async #look() {
    if (!this.#stream || !isVisible() || Date.now() - this.#lookedAt < PAGE_LOOK) return;
    this.#lookedAt = Date.now();
    const isBehind = (view) => {
      const known = this.requests.get(view.id);
      if (known) return view.event_id > known.event_id;
      return view.status === "pending" && !this.requests.overflows;
    };
    const stream = this.#stream;
    try {
      const views = await newest(PAGE_LOOK_REQUESTS);
      if (this.#link.state === "live") this.#share({ contact: Date.now() });
      if (!views.some(isBehind)) return;
      await pause(PAGE_LOOK_GRACE);
      if (views.some(isBehind) && stream === this.#stream) stream.open();
    } catch {
      // The stream has the same trouble, or none.
    }
  }
}
