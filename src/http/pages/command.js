// A command that is run on approval: each of its texts apart and exact, in the asker's frame.
//
// The daemon believes nothing of it and neither does a page; what it does is to leave no doubt what
// the asker says. Each text is in a box of its own, so that no text can pass for two or for words of
// ours, and nothing of it is left out: what has no shape of its own is shown as an escape.

import { DIGEST_DIGITS } from "./limits.js";
import { el } from "./dom.js";
import { scrolling } from "./scrolling.js";
import { exactNodes, visible } from "./visible.js";
import { t } from "./words.js";

/** The block for a command. */
export function commandBlock({ argv, program, directory, user, host, environment, stdin, files }) {
  const label = t("command", { count: argv.length });
  const parts = el("ol", { class: "argv", dir: "ltr" }, ...argv.map((text) => el("li", {}, exact(text))));
  const rows = [
    row("command-program", exact(program)),
    row("command-directory", exact(directory)),
    user ? row("command-user", exact(user), host && " @ ", host && exact(host)) : null,
    host && !user ? row("command-host", exact(host)) : null,
    environment?.length ? row("command-environment", list(environment.map(variable))) : null,
    stdin ? row("command-stdin", content(stdin)) : null,
    files?.length ? row("command-files", list(files.map(file))) : null,
  ];
  return el(
    "div",
    { class: "block command" },
    el("p", { class: "label" }, label),
    scrolling(parts, label),
    el("dl", { class: "fields" }, ...rows.filter(Boolean)),
  );
}

function row(key, ...value) {
  const body = el("div", { class: "value", dir: "ltr" }, ...value.filter(Boolean));
  return el("div", {}, el("dt", {}, t(key)), el("dd", {}, scrolling(body, t(key))));
}

const list = (items) => el("ul", {}, ...items.map((item) => el("li", {}, ...item)));

// Where nothing is, a word of ours says so; like the escapes it looks different from any text.
function exact(text) {
  const nodes = text === "" ? [el("span", { class: "escape" }, t("empty"))] : exactNodes(text);
  return el("code", { class: "exact" }, ...nodes);
}

const variable = ({ name, value }) => [exact(name), " = ", exact(value)];

const file = ({ path, ...rest }) => [exact(path), " ", content(rest)];

// The whole digest comes on demand. Its beginning is for finding one's way among several: who
// compares it with another has to compare all of it.
function content({ sha256, bytes }) {
  const digest = el("summary", {}, `SHA-256 ${visible(sha256.slice(0, DIGEST_DIGITS))}…`);
  return el(
    "span",
    { class: "content" },
    el("span", { class: "size" }, t("bytes", { count: bytes })),
    el("details", { class: "digest" }, digest, el("code", {}, visible(sha256))),
  );
}
