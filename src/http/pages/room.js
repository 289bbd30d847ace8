// A browser allows six connections to one daemon (HTTP/1.1), and each page that waits holds one.
// Whoever has something to say asks the others to let go of theirs for a moment.

import { ROOM_TIME } from "./limits.js";

const held = new Set();
const channel = globalThis.BroadcastChannel ? new BroadcastChannel("pushd-room") : null;
let closedUntil = 0;

function letGo() {
  closedUntil = performance.now() + ROOM_TIME;
  for (const controller of held) controller.abort();
}

channel?.addEventListener("message", letGo);

/** Asks all pages that hold a poll to let go of it; they go on shortly after. */
export function makeRoom() {
  letGo();
  channel?.postMessage("make room");
}

/** Milliseconds for which no poll should be begun. */
export const closedFor = () => Math.max(0, closedUntil - performance.now());

/** Counts this poll among those that are asked for room: its controller is aborted then. */
export function hold(controller) {
  held.add(controller);
  return () => held.delete(controller);
}
