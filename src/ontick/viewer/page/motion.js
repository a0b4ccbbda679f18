// Where are the bodies now? Between the ticks that have come, a little behind the newest, so that jitter is not seen.

import { mixPoses } from "ontick/scene.js";

/** How far behind the newest tick is shown, in ticks as they come: one lies ahead, and half a tick of jitter is hidden. */
const BEHIND_TICKS = 1.5;
/** Being further off than so many ticks is put right at once, less is caught up with gently. */
const LOST_TICKS = 8;
const CATCH_UP = 0.12;
const KEPT = 32;

/** A playhead in the flight's own time. */
export class Motion {
  #ticks = [];
  #tickMs = 20;
  #apartMs = 20;
  #heardAt = 0;
  #head = null;
  #drawnAt = 0;
  /** 1: real time; less: slow motion; 0: paused. */
  speed = 1;

  /** Begin another episode. @param {number} tickMs */
  begin(tickMs) {
    this.#ticks = [];
    this.#tickMs = this.#apartMs = tickMs;
    this.#head = null;
  }

  /**
   * Take a tick in; some may have been left out before it.
   * @param {number} timeMs of the flight
   * @param {import("ontick/scene.js").Pose[]} poses
   * @param {number} now in milliseconds, of this page
   */
  add(timeMs, poses, now) {
    const last = this.#ticks.at(-1);
    if (last && timeMs <= last.timeMs) return;
    if (last) this.#apartMs += 0.1 * (Math.min(timeMs - last.timeMs, LOST_TICKS * this.#tickMs) - this.#apartMs);
    this.#ticks.push({ timeMs, poses });
    if (this.#ticks.length > KEPT) this.#ticks.shift();
    this.#heardAt = now;
  }

  /** The flight's time that is shown; null before the first tick. */
  get timeMs() {
    return this.#head;
  }

  /** Whether all that has come has been shown. */
  get settled() {
    return this.#ticks.length === 0 || this.#head === this.#ticks.at(-1).timeMs;
  }

  /** @param {number} now @returns {import("ontick/scene.js").Pose[] | null} null before the first tick */
  at(now) {
    const newest = this.#ticks.at(-1);
    if (!newest) return null;
    this.#advance(newest, now);
    const next = this.#ticks.findIndex(({ timeMs }) => timeMs >= this.#head);
    if (next <= 0) return this.#ticks[Math.max(next, 0)].poses;
    const [from, to] = [this.#ticks[next - 1], this.#ticks[next]];
    return mixPoses(from.poses, to.poses, (this.#head - from.timeMs) / (to.timeMs - from.timeMs));
  }

  #advance(newest, now) {
    const passed = (now - this.#drawnAt) * this.speed;
    this.#drawnAt = now;
    const aim = newest.timeMs + (now - this.#heardAt) * this.speed - BEHIND_TICKS * this.#apartMs;
    const off = this.#head === null ? Infinity : aim - this.#head;
    if (Math.abs(off) > LOST_TICKS * this.#tickMs + BEHIND_TICKS * this.#apartMs) this.#head = aim;
    else this.#head += passed * (1 + Math.min(CATCH_UP, Math.max(-CATCH_UP, off / (4 * this.#tickMs))));
    this.#head = Math.min(newest.timeMs, Math.max(this.#ticks[0].timeMs, this.#head));
  }
}
