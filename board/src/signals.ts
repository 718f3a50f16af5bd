// How the page calls a person who looks elsewhere: its title, a sound and notifications of the browser.

const SOUND = "switchboard-sound";
const NOTIFICATIONS = "switchboard-notifications";

const isOn = (name: string): boolean => localStorage.getItem(name) === "on";
const store = (name: string, on: boolean): void => localStorage.setItem(name, on ? "on" : "off");

export const hasNotifications = "Notification" in window;
export const soundIsOn = (): boolean => isOn(SOUND);
export const notificationsAreOn = (): boolean =>
  hasNotifications && Notification.permission === "granted" && isOn(NOTIFICATIONS);

/** Turn the sound on or off; on is heard once. */
export function turnSound(on: boolean): void {
  store(SOUND, on);
  if (on) beep();
}

/** Turn notifications on or off. Returns why they stay off, as a sentence. */
export async function turnNotifications(on: boolean): Promise<string> {
  store(NOTIFICATIONS, on);
  if (!on || (await Notification.requestPermission()) === "granted") return "";
  store(NOTIFICATIONS, false);
  return "The browser does not allow notifications for this page.";
}

/** Signal something new. */
export function signal(title: string, text: string): void {
  if (soundIsOn()) beep();
  if (notificationsAreOn() && document.visibilityState === "hidden") {
    const shown = new Notification(title, { body: text, tag: "switchboard" });
    shown.onclick = () => (window.focus(), shown.close());
  }
}

let audio: AudioContext | undefined;

function beep(): void {
  audio ??= new AudioContext();
  void audio.resume(); // a browser keeps it silent until a person has pressed something
  const [tone, volume, at] = [audio.createOscillator(), audio.createGain(), audio.currentTime];
  tone.frequency.setValueAtTime(660, at);
  tone.frequency.setValueAtTime(880, at + 0.12);
  volume.gain.setValueAtTime(0.15, at);
  volume.gain.exponentialRampToValueAtTime(0.001, at + 0.4);
  tone.connect(volume).connect(audio.destination);
  tone.start(at);
  tone.stop(at + 0.4);
}
