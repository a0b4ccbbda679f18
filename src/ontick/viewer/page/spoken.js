// What does someone hear who does not see the picture? How it began and ended, and every ten seconds how it goes.

import { fixed, milliseconds, percent } from "ontick/figures.js";

const EVERY_MS = 10_000;

export class Spoken {
  #region = document.getElementById("spoken");
  #nextAt = 0;

  /** @param {object} flight @param {number} lanes how many there are */
  begin({ lane, task, controller, seed }, lanes) {
    this.#say(`${nameOf(lane, lanes)}${controller} flies ${task}, seed ${seed}.`);
  }

  /** @param {object} tick @param {number} now in milliseconds */
  tick({ lane, tick, counts, decision_ms: decision, reward }, now) {
    if (lane !== 0 || now < this.#nextAt) return;
    const all = counts.fresh + counts.planned + counts.held + counts.noop;
    this.#say(
      `Tick ${tick}: ${percent(counts.fresh + counts.planned, all)} of the ticks in time, ` +
        `decision latency ${milliseconds(decision?.last)}, reward ${fixed(reward, 0)}.`,
    );
  }

  ended({ lane, outcome, steps, reward }, lanes) {
    this.#say(`${nameOf(lane, lanes)}${outcome} after ${steps} ticks, reward ${fixed(reward, 0)}.`);
  }

  #say(words) {
    this.#nextAt = performance.now() + EVERY_MS;
    this.#region.textContent = words;
  }
}

function nameOf(lane, lanes) {
  return lanes > 1 ? `${lane === 0 ? "Left" : "Right"}: ` : "";
}
