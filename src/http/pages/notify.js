// Notifications of the browser and a sound, once somebody has asked for them by the button.
//
// A notification goes when what it tells of is settled, so that none is left to open in vain, and
// there are never more than a few.

import { PAGE_NOTES } from "./limits.js";
import { visible } from "./visible.js";
import { t } from "./words.js";

const KEY = "pushd-notify";
const canNotify = "Notification" in globalThis && globalThis.isSecureContext;
let audio = null;
// Notification -> ids of the requests that it tells of and that are pending; the oldest first.
const notes = new Map();

const isOn = () => localStorage.getItem(KEY) === "on";

/** The button that turns them on and off. */
export function setUp(button) {
  const show = () => {
    button.setAttribute("aria-pressed", String(isOn()));
    button.textContent = t(isOn() ? "notify-on" : "notify-off");
  };
  button.addEventListener("click", async () => {
    localStorage.setItem(KEY, isOn() ? "off" : "on");
    show();
    if (!isOn()) return;
    sound();
    if (canNotify && Notification.permission === "default") await Notification.requestPermission();
  });
  // A browser lets a page sound only once somebody has used it.
  addEventListener("pointerdown", () => isOn() && listenable(), { once: true });
  addEventListener("pagehide", () => [...notes.keys()].forEach(close));
  show();
  button.hidden = false;
}

/** Tells of new requests, if that is wanted. */
export function tell(views) {
  if (!isOn()) return;
  sound();
  if (!canNotify || Notification.permission !== "granted" || document.hasFocus()) return;
  const [first] = views;
  const body = views.length > 1 ? t("more-asked", { count: views.length }) : visible(first.title);
  try {
    const note = new Notification(t("notification"), { body, tag: first.id });
    note.onclick = () => {
      focus();
      document.querySelector(`.card[data-id="${first.id}"]`)?.scrollIntoView({ block: "center" });
      close(note);
    };
    note.onclose = () => notes.delete(note);
    notes.set(note, new Set(views.map(({ id }) => id)));
    if (notes.size > PAGE_NOTES) close(notes.keys().next().value);
  } catch {
    // Browsers of phones have the class and do not let a page use it.
  }
}

/** A request is settled: what told of it, and of nothing else that is pending, goes. */
export function settled(id) {
  for (const [note, ids] of notes) {
    if (ids.delete(id) && ids.size === 0) close(note);
  }
}

function close(note) {
  notes.delete(note);
  note.close();
}

function listenable() {
  audio ??= globalThis.AudioContext ? new AudioContext() : null;
  if (audio?.state === "suspended") audio.resume();
  return audio?.state === "running" ? audio : null;
}

// Two soft notes.
function sound() {
  const context = listenable();
  if (!context) return;
  for (const [n, pitch] of [660, 880].entries()) {
    const start = context.currentTime + n * 0.14;
    const tone = new OscillatorNode(context, { frequency: pitch });
    const volume = new GainNode(context, { gain: 0 });
    volume.gain.linearRampToValueAtTime(0.12, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.3);
    tone.connect(volume).connect(context.destination);
    tone.start(start);
    tone.stop(start + 0.32);
  }
}
