// Notifications of the browser and a sound, once somebody has asked for them by the button.

import { visible } from "./visible.js";
import { t } from "./words.js";

const KEY = "pushd-notify";
const canNotify = "Notification" in globalThis && globalThis.isSecureContext;
let audio = null;

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
  show();
  button.hidden = false;
}

/** Tells of a new request, if that is wanted. */
export function tell(view) {
  if (!isOn()) return;
  sound();
  if (!canNotify || Notification.permission !== "granted" || document.hasFocus()) return;
  try {
    const note = new Notification(t("notification"), { body: visible(view.title), tag: view.id });
    note.onclick = () => {
      focus();
      document.querySelector(`[data-id="${view.id}"]`)?.scrollIntoView({ block: "center" });
      note.close();
    };
  } catch {
    // Browsers of phones have the class and do not let a page use it.
  }
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
