// Strangers' text, made safe to show: the same escapes as in `approver`'s terminal.
//
// A character is shown as itself only when it can neither hide, nor turn or cover its neighbours;
// any other is shown as an escape such as \u{202e}. The classes come from the daemon's own table,
// so that page and terminal cannot differ. A test compares both over all characters.

import { MARKS, RUNS } from "./characters.js";

// Where each run of equal characters begins, and the class of the run.
const starts = [];
const classes = [];
{
  let start = 0;
  for (const [, kind, length] of RUNS.matchAll(/([A-Z])([0-9a-z]+)/g)) {
    starts.push(start);
    classes.push(kind);
    start += parseInt(length, 36);
  }
}

function classOf(codePoint) {
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= codePoint) low = middle;
    else high = middle;
  }
  return classes[low];
}

// What stands before a character: "nothing", "plain", "symbol", or a letter with so many marks.
function follow(before, codePoint) {
  switch (classOf(codePoint)) {
    case "L":
      return 0;
    case "P":
      return "plain";
    case "S":
      return "symbol";
    case "M":
      return typeof before === "number" && before < MARKS ? before + 1 : "nothing";
    case "V":
      return before === "symbol" ? "plain" : "nothing";
    default:
      return "nothing";
  }
}

/** The parts of a text: `{text}` as it is, or `{escape}` in place of what may not be shown. */
export function parts(text) {
  const found = [];
  let before = "nothing";
  let plain = "";
  for (const character of text) {
    const codePoint = character.codePointAt(0);
    before = follow(before, codePoint);
    if (before !== "nothing") {
      plain += character;
      continue;
    }
    if (plain) found.push({ text: plain });
    plain = "";
    found.push({ escape: escapeOf(codePoint) });
  }
  if (plain) found.push({ text: plain });
  return found;
}

/** A text in one line, with escapes. */
export function visible(text) {
  return parts(text).map((part) => part.text ?? part.escape).join("");
}

function escape(text) {
  const span = document.createElement("span");
  span.className = "escape";
  span.textContent = text;
  return span;
}

/** Nodes for a text of one line. Our escapes look different from escapes that somebody typed. */
export function visibleNodes(text) {
  return parts(text).map((part) => part.text ?? escape(part.escape));
}

// Spaces that are easily overlooked: at the end of a line, several in a row, and at the beginning;
// and whatever looks like a space and is none to a shell. Lines further down may be indented, as
// scripts are.
const SPACES = /( +$| {2,}|(?! )\p{Zs})/u;
const FIRST_SPACES = /(^ +| +$| {2,}|(?! )\p{Zs})/u;

/**
 * Nodes for a text of which every character counts, such as an argument: nothing is left out, a
 * space that is easily overlooked has a sign, and a line feed and a tab are shown as \n and \t
 * and still have their effect.
 */
export function exactNodes(text) {
  const nodes = [];
  for (const [n, line] of text.split("\n").entries()) {
    if (n > 0) nodes.push(escape("\\n"), "\n");
    for (const [m, part] of line.split("\t").entries()) {
      if (m > 0) nodes.push(escape("\\t"), "\t");
      nodes.push(...exactPart(part, n + m === 0));
    }
  }
  return nodes;
}

function exactPart(text, isFirst) {
  const indent = isFirst ? "" : /^ */.exec(text)[0];
  const rest = text.slice(indent.length);
  if (rest === "" && indent) return [spaces(indent)];
  const pieces = rest.split(isFirst ? FIRST_SPACES : SPACES);
  // Every other piece is spaces.
  const nodes = pieces.flatMap((piece, n) => (n % 2 === 1 ? [spaces(piece)] : visibleNodes(piece)));
  return indent ? [indent, ...nodes] : nodes;
}

function spaces(text) {
  const isPlain = text.startsWith(" ");
  return escape(isPlain ? "␣".repeat(text.length) : escapeOf(text.codePointAt(0)));
}

const escapeOf = (codePoint) => `\\u{${codePoint.toString(16)}}`;

/** The lines of a text as files have them: LF and CR LF end one, and nothing else does. */
export function linesOf(text) {
  return text.replace(/\n$/, "").split("\n").map((line) => line.replace(/\r$/, ""));
}

/**
 * Nodes for a text of many lines. A tab is shown as \t and still goes to the next multiple of 8,
 * which the style sheet sees to.
 */
export function visibleLines(text) {
  const nodes = [];
  for (const [n, line] of linesOf(text).entries()) {
    if (n > 0) nodes.push("\n");
    for (const [m, part] of line.split("\t").entries()) {
      if (m > 0) nodes.push(escape("\\t"), "\t");
      nodes.push(...visibleNodes(part));
    }
  }
  return nodes;
}
