// How much delay is added to every answer, and how much would the task allow?

import { element, say } from "ontick/elements.js";

const MARKS_MS = [0, 100, 200, 300, 400, 500];
/** So near to what is allowed a mark is left out. */
const CROWDED_MS = 60;
/** How long after the last move what the server says may lag behind the hand. */
const SETTLING_MS = 400;

export class Delay {
  #range = document.getElementById("delay-range");
  #figure = document.getElementById("delay-figure");
  #words = document.getElementById("delay-words");
  #box = document.getElementById("delay");
  #scale = document.getElementById("delay-scale");
  #movedAt = -Infinity;
  #waiting = false;
  #onSet;

  /** @param {(delayMs: number) => void} onSet called at most once a frame */
  constructor(onSet) {
    this.#onSet = onSet;
    this.#range.addEventListener("input", () => this.#moved());
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

  /** Say what the task allows: up to there the teacher flies on. @param {number | null} allowedMs @param {string} late */
  allow(allowedMs, late) {
    const known = allowedMs !== null;
    this.#box.classList.toggle("known", known);
    this.#box.style.setProperty("--allowed", String(known ? Math.min(1, allowedMs / Number(this.#range.max)) : 1));
    this.#range.dataset.allowedMs = known ? String(allowedMs) : "";
    this.#words.dataset.late = late;
    const marks = MARKS_MS.filter((ms) => ms <= Number(this.#range.max) && !(known && Math.abs(ms - allowedMs) < CROWDED_MS));
    this.#scale.replaceChildren(...marks.map((ms) => this.#mark(ms, String(ms))));
    if (known) this.#scale.append(this.#mark(allowedMs, `${allowedMs} allowed`, { class: "allowed" }));
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
    const { allowedMs } = this.#range.dataset;
    say(this.#figure, `${delayMs} ms`);
    this.#range.setAttribute("aria-valuetext", `${delayMs} milliseconds`);
    this.#box.style.setProperty("--at", String(delayMs / Number(this.#range.max)));
    this.#box.classList.toggle("beyond", Boolean(allowedMs) && delayMs > Number(allowedMs));
    say(this.#words, allowedMs ? `Up to ${allowedMs} ms in all the teacher still flies (${this.#words.dataset.late}).` : "Drag it and watch.");
  }

  #mark(ms, text, attributes = {}) {
    const mark = element("span", { text, ...attributes });
    mark.style.setProperty("--at", String(ms / Number(this.#range.max)));
    return mark;
  }
}
