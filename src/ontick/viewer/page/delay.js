// How much delay is added to every answer, and how much would the task allow?

import { element, say } from "ontick/elements.js";

const MARKS_MS = [0, 100, 200, 300, 400, 500];
/** So near to what is harmless a mark is left out. */
const CROWDED_MS = 60;
/** What an arrow key changes; a finger may choose any millisecond. */
const KEY_STEP_MS = 5;
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
/** How long after the last move what the server says may lag behind the hand. */
const SETTLING_MS = 400;

export class Delay {
  #box = document.getElementById("delay");
  #range = document.getElementById("delay-range");
  #figure = document.getElementById("delay-figure");
  #words = document.getElementById("delay-words");
  #scale = document.getElementById("delay-scale");
  #harmlessMs = 0;
  #movedAt = -Infinity;
  #waiting = false;
  #onSet;

  /** @param {(delayMs: number) => void} onSet called at most once a frame */
  constructor(onSet) {
    this.#onSet = onSet;
    this.#range.addEventListener("input", () => this.#moved());
    this.#range.addEventListener("keydown", (event) => {
      const direction = KEYS[event.key];
      if (!direction) return;
      event.preventDefault();
      this.step(direction * KEY_STEP_MS);
    });
  }

  /** @param {{max_delay_ms: number}} limits */
  offer({ max_delay_ms: maxMs }) {
    this.#range.max = String(maxMs);
  }

  /** @param {number} delayMs as the server has it */
  adopt(delayMs) {
    if (performance.now() - this.#movedAt < SETTLING_MS) return;
    this.#range.value = String(delayMs);
    this.#show();
  }

  /**
   * Say how much is harmless: what the task allows, with which in all its teacher still flies, or else a tick.
   * @param {number | null} allowedMs null: not known
   * @param {string} rule that holds for
   * @param {number} tickMs
   */
  allow(allowedMs, rule, tickMs) {
    this.#harmlessMs = Math.round(allowedMs ?? tickMs);
    const allowed = `Up to ${this.#harmlessMs} ms in all the teacher still flies (${rule}).`;
    say(this.#words, allowedMs === null ? `A tick is ${this.#harmlessMs} ms. Drag on and watch.` : allowed);
    this.#box.style.setProperty("--harmless", this.#share(this.#harmlessMs));
    this.#mark(allowedMs === null ? "a tick" : `${this.#harmlessMs} allowed`);
    this.#show();
  }

  /** @param {number} byMs */
  step(byMs) {
    this.#range.value = String(Number(this.#range.value) + byMs);
    this.#moved();
  }

  #moved() {
    this.#movedAt = performance.now();
    this.#show();
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.#onSet(Number(this.#range.value));
    });
  }

  #show() {
    const delayMs = Number(this.#range.value);
    say(this.#figure, `${delayMs} ms`);
    this.#range.setAttribute("aria-valuetext", `${delayMs} milliseconds`);
    this.#box.style.setProperty("--at", this.#share(delayMs));
    this.#box.classList.toggle("beyond", delayMs > this.#harmlessMs);
  }

  #mark(harmless) {
    const max = Number(this.#range.max);
    const isFree = (ms) => ms <= max && Math.abs(ms - this.#harmlessMs) >= CROWDED_MS;
    const marks = MARKS_MS.filter(isFree).map((ms) => this.#markAt(ms, String(ms)));
    if (this.#harmlessMs <= max) marks.push(this.#markAt(this.#harmlessMs, harmless, "harmless"));
    this.#scale.replaceChildren(...marks);
  }

  #markAt(ms, text, className = null) {
    const mark = element("span", { text, class: className });
    mark.style.setProperty("--at", this.#share(ms));
    return mark;
  }

  #share(ms) {
    return String(Math.min(1, ms / Number(this.#range.max)));
  }
}
