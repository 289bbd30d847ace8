// What the asker says, in a frame, so that no words of theirs can pass for ours.

import { commandBlock } from "./command.js";
import { el } from "./dom.js";
import { scrolling } from "./scrolling.js";
import { linesOf, visible, visibleLines, visibleNodes } from "./visible.js";
import { t } from "./words.js";

/**
 * The framed block for a request; `titleId` is the id of the element with its title, which has the
 * heading level `level`.
 */
export function claim(view, titleId, level) {
  const frame = el("div", { class: "frame" });
  frame.append(
    el(`h${level}`, { id: titleId, class: "title", dir: "auto", tabindex: "-1" }, ...visibleNodes(view.title)),
    el("p", { class: "topic" }, `${t("topic")} `, el("span", { dir: "auto" }, ...visibleNodes(view.topic))),
  );
  if (view.command) frame.append(commandBlock(view.command));
  if (view.fields.length > 0) frame.append(fields(view.fields));
  if (view.details) {
    const lines = linesOf(view.details).length;
    frame.append(details(t("details", { count: lines }), view.details));
  }
  return el("section", { class: "claim" }, el("p", { class: "label" }, t("asker-says")), frame);
}

function fields(list) {
  const rows = list.map(({ name, value }) =>
    el(
      "div",
      {},
      el("dt", { dir: "auto" }, ...visibleNodes(name)),
      el("dd", {}, scrolling(el("div", { class: "value", dir: "auto" }, ...visibleLines(value)), visible(name))),
    ),
  );
  return el("dl", { class: "fields" }, ...rows);
}

function details(label, text) {
  const body = el("pre", { class: "details", dir: "auto" }, ...visibleLines(text));
  return el("div", { class: "block" }, el("p", { class: "label" }, label), scrolling(body, label));
}
