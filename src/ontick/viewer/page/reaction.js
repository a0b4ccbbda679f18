// How long does a person need from a light to a key? Five times; whoever was there before the light did not see it.

import { element, say } from "ontick/elements.js";
import { milliseconds } from "ontick/figures.js";

const TRIES = 5;
const WAIT_MS = [1200, 3800];
/** Faster than this nobody sees a lamp and moves a finger: it was guessed. */
const ANTICIPATED_MS = 100;
const TOO_LONG_MS = 2000;

/** A dialogue with a lamp. */
export class Reaction {
  #dialog = document.getElementById("reaction");
  #lamp = document.getElementById("lamp");
  #words = document.getElementById("reaction-words");
  #marks = document.getElementById("reaction-marks");
  #times = [];
  #timer = 0;
  #litAt = null;
  /** idle, waiting (dark), lit */
  #state = "idle";
  #onMeasured;

  /** @param {(times: number[]) => void} onMeasured in milliseconds */
  constructor(onMeasured) {
    this.#onMeasured = onMeasured;
    document.getElementById("measure").addEventListener("click", () => this.open());
    this.#lamp.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.#pressed(event.timeStamp);
    });
    this.#dialog.addEventListener("keydown", (event) => this.#keyDown(event));
    document.getElementById("reaction-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#rest());
  }

  open() {
    this.#times = [];
    this.#showMarks();
    this.#rest();
    say(this.#words, "Five times, the lamp lights after a while. Press it, or any key, as soon as it does.");
    this.#dialog.showModal();
    this.#lamp.focus();
  }

  #keyDown(event) {
    const onOther = event.target instanceof HTMLButtonElement && event.target !== this.#lamp;
    if (onOther || event.repeat || ["Escape", "Tab", "Shift"].includes(event.key)) return;
    event.preventDefault();
    this.#pressed(event.timeStamp);
  }

  #pressed(at) {
    if (this.#state === "idle") return this.#arm();
    if (this.#state === "waiting") return this.#again("Too early: that one does not count. Wait for the light.");
    if (this.#litAt === null) return this.#again("Before the light could be seen: that one does not count.");
    const time = at - this.#litAt;
    if (time < ANTICIPATED_MS) return this.#again(`${milliseconds(time)} is a guess: that one does not count.`);
    this.#times.push(Math.round(time * 10) / 10);
    this.#showMarks();
    if (this.#times.length < TRIES) return this.#again(milliseconds(time));
    return this.#finish();
  }

  #again(words) {
    say(this.#words, words);
    this.#arm();
  }

  #arm() {
    this.#rest();
    if (this.#times.length === 0) this.#words.classList.remove("done");
    this.#state = "waiting";
    this.#dialog.dataset.state = "waiting";
    say(this.#lamp, "Wait…");
    const [least, most] = WAIT_MS;
    this.#timer = setTimeout(() => this.#light(), least + Math.random() * (most - least));
  }

  #light() {
    this.#state = "lit";
    this.#litAt = null;
    this.#dialog.dataset.state = "lit";
    say(this.#lamp, "Now!");
    // The first frame after the change shows it; the callback in the next one is called when that one is done.
    requestAnimationFrame(() => requestAnimationFrame((shownAt) => (this.#litAt = shownAt)));
    this.#timer = setTimeout(() => this.#again("No answer: that one does not count."), TOO_LONG_MS);
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#state = "idle";
    this.#dialog.dataset.state = "idle";
    say(this.#lamp, "Begin");
  }

  #finish() {
    this.#rest();
    const median = [...this.#times].sort((a, b) => a - b)[Math.floor(TRIES / 2)];
    say(this.#words, `Your median: ${milliseconds(median)}. It stands in the table beside what you fly.`);
    say(this.#lamp, "Once more");
    this.#onMeasured(this.#times);
    this.#times = [];
  }

  #showMarks() {
    const marks = Array.from({ length: TRIES }, (_, number) => element("li", { text: this.#times[number] === undefined ? "·" : milliseconds(this.#times[number]) }));
    this.#marks.replaceChildren(...marks);
  }
}
