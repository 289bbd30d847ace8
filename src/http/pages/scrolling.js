// Text that is longer than its place scrolls, and says so.
//
// What is decided must not be hidden below an edge that nobody sees: as long as there is more to
// scroll to, a line of ours under the text says it, and the keyboard can reach the text.

import { el } from "./dom.js";
import { t } from "./words.js";

/** `body` in a block with that line, which `label` names for those who do not see it. */
export function scrolling(body, label) {
  // It keeps its place while it is not seen, so that scrolling moves nothing.
  const sign = el("p", { class: "more-below", "aria-hidden": "true" }, t("more-below"));
  const look = () => {
    const isLonger = body.scrollHeight > body.clientHeight + 1;
    const rest = body.scrollHeight - body.clientHeight - body.scrollTop;
    sign.hidden = !isLonger;
    sign.classList.toggle("read", rest <= 1);
    // Whatever scrolls has to be reached with the keyboard, and so has a role and a name.
    const reached = { tabindex: "0", role: "region", "aria-label": label };
    for (const [name, value] of Object.entries(reached)) {
      if (isLonger) body.setAttribute(name, value);
      else body.removeAttribute(name);
    }
  };
  sign.hidden = true;
  body.classList.add("scrolling");
  body.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(body);
  return el("div", {}, body, sign);
}
