// A browser allows six connections to one daemon (HTTP/1.1), and a page that waits holds one.
//
// So the pages of one browser agree on a few that hold a poll, the others look now and then, and
// whoever has something to say asks all of them to let go for a moment.

import { HOLDERS, HOLD_TIME, ROOM_TIME } from "./limits.js";
import { randomName } from "./dom.js";

const name = randomName();
const channel = globalThis.BroadcastChannel ? new BroadcastChannel("pushd-room") : null;
// The polls of this page; name of another page -> until when it may hold one.
const held = new Set();
const holders = new Map();
let closedUntil = 0;

const say = (kind) => channel?.postMessage({ kind, from: name });

function letGo() {
  closedUntil = performance.now() + ROOM_TIME;
  for (const controller of held) controller.abort();
}

channel?.addEventListener("message", ({ data: { kind, from } }) => {
  if (kind === "room") letGo();
  if (kind === "hold") holders.set(from, performance.now() + HOLD_TIME);
  if (kind === "release") holders.delete(from);
  if (kind === "who" && held.size > 0) say("hold");
});
addEventListener("pagehide", () => say("release"));
say("who");

/** Asks all pages that hold a poll to let go of it; they go on shortly after. */
export function makeRoom() {
  letGo();
  say("room");
}

/** Milliseconds for which no poll should be begun. */
export const closedFor = () => Math.max(0, closedUntil - performance.now());

/** Whether few enough other pages hold a poll for this one to hold one too. */
export function mayHold() {
  for (const [other, until] of holders) {
    if (until < performance.now()) holders.delete(other);
  }
  return holders.size < HOLDERS;
}

/** Holds a poll, whose controller is aborted when room is needed; answers how to release it. */
export function hold(controller) {
  held.add(controller);
  say("hold");
  return () => {
    held.delete(controller);
    say("release");
  };
}
