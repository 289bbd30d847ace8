// Inbox pages of one browser share one stream: one of them leads, holds it, and tells the others.
//
// Whoever leads is found by asking on a BroadcastChannel, which works on plain HTTP too (Web Locks
// do not). A page that somebody looks at takes over from a hidden one, whose timers the browser
// slows down. For an instant two may lead: both tell the same facts, which are told by event id
// and so count once, and the one with the smaller name goes on.

import { TAB_ANSWER, TAB_LOOK } from "./limits.js";
import { isVisible, randomName } from "./dom.js";

export class Tabs {
  #name = randomName();
  #channel = globalThis.BroadcastChannel ? new BroadcastChannel("pushd-inbox") : null;
  #leads = false;
  #heardLeader = false;
  #greeted = false;
  #asking = 0;
  #on;

  /**
   * `on.lead()` and `on.follow()` say what to be; `on.news(news)` is what the leader tells;
   * `on.greet()` asks the leader to tell a new page all that it knows.
   */
  constructor(on) {
    this.#on = on;
    if (!this.#channel) {
      this.#lead();
      return;
    }
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    document.addEventListener("visibilitychange", () => this.#ask());
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#ask());
    setInterval(() => this.#leads || this.#ask(), TAB_LOOK);
    this.#ask();
  }

  /** Tells the other pages something, if this one leads. */
  tell(news) {
    if (this.#leads) this.#send("news", { news });
  }

  /** Whether this page leads. */
  get leads() {
    return this.#leads;
  }

  #send(kind, more = {}) {
    this.#channel?.postMessage({ kind, from: this.#name, visible: isVisible(), ...more });
  }

  // Asks who leads, and leads when nobody says so.
  #ask() {
    if (this.#leads || this.#asking) return;
    this.#heardLeader = false;
    this.#send("who");
    this.#asking = setTimeout(() => {
      this.#asking = 0;
      if (!this.#heardLeader && !this.#leads) this.#lead();
    }, TAB_ANSWER);
  }

  #hear({ kind, from, visible, news }) {
    if (kind === "who" && this.#leads) this.#send("leader");
    if (kind === "hello" && this.#leads) this.#on.greet();
    if (kind === "leader") this.#meet(from, visible);
    if (kind === "news" && !this.#leads) {
      this.#heardLeader = true;
      this.#on.news(news);
    }
    if (kind === "bye" && !this.#leads) this.#ask();
  }

  // Another page says that it leads.
  #meet(from, visible) {
    const outranks = isVisible() === visible ? this.#name < from : isVisible();
    if (this.#leads) {
      if (outranks) this.#send("leader");
      else this.#follow();
    } else if (isVisible() && !visible) {
      this.#lead();
    } else {
      this.#heardLeader = true;
      if (!this.#greeted) this.#send("hello");
      this.#greeted = true;
    }
  }

  #lead() {
    this.#leads = true;
    this.#on.lead();
    this.#send("leader");
  }

  #follow() {
    this.#leads = false;
    this.#heardLeader = true;
    this.#on.follow();
  }

  #leave() {
    if (!this.#leads) return;
    this.#leads = false;
    this.#on.follow();
    this.#send("bye");
  }
}
