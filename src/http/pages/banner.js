// Says when the daemon cannot be heard, and since when.

import { BANNER_TIME } from "./limits.js";
import { el, setText } from "./dom.js";
import { duration, pointInTime, t } from "./words.js";

/** A banner in the element `place`, and a short word about the connection in `pill`. */
export class Banner {
  #place;
  #pill;
  #text = el("span");
  #state = null;
  #why = "";
  #contact = null;
  #cutAt = null;

  /** `retry()` is called by the banner's button. */
  constructor(place, pill, retry) {
    this.#place = place;
    this.#pill = pill;
    const button = el("button", { type: "button", class: "quiet" }, t("retry-now"));
    button.addEventListener("click", retry);
    place.append(this.#text, button);
    place.hidden = true;
  }

  /** Shows how the connection is, and when the daemon was last heard, by this machine's clock. */
  show({ state, why }, contact = null) {
    this.#contact = contact;
    // An attempt is not yet better than a cut.
    if (state === "opening" && this.#cutAt !== null) return;
    this.#state = state;
    if (state === "live") {
      this.#cutAt = null;
    } else if (state !== "opening") {
      this.#why = why ?? "";
      this.#cutAt ??= performance.now();
    }
    this.tick();
  }

  /** Shows how the time goes by. A cut that is over in a moment is not worth a banner. */
  tick() {
    const isCut = this.#cutAt !== null;
    const word = { opening: "link-opening", live: "link-live", cut: "link-cut", refused: "link-cut" };
    if (!this.#state) return;
    setText(this.#pill, t(word[this.#state]));
    this.#pill.dataset.state = this.#state;
    const isShown = isCut && performance.now() - this.#cutAt >= BANNER_TIME;
    if (this.#place.hidden === isShown) this.#place.hidden = !isShown;
    if (!isShown) return;
    const last = this.#contact
      ? t("last-contact", {
          time: pointInTime(this.#contact, Date.now()),
          age: duration(Date.now() - this.#contact),
        })
      : t("no-contact");
    setText(this.#text, `${t("banner", { why: this.#why })} ${last}`);
  }
}
