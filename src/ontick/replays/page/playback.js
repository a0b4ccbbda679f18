// Which moment of a flight is shown now? A position in ticks that moves with the browser's frames while it plays.

/** The longest that one frame may move on: a page that was hidden goes on where it was. */
const LONGEST_FRAME_MS = 100;

export class Playback {
  #last;
  #tickMs;
  #tell;
  #position = 0;
  #speed = 1;
  #frame = null;
  #before = null;

  /**
   * @param {number} last the position after the last tick
   * @param {number} tickMs
   * @param {(position: number) => void} tell called whenever the position or whether it plays has changed
   */
  constructor(last, tickMs, tell) {
    this.#last = last;
    this.#tickMs = tickMs;
    this.#tell = tell;
  }

  /** In ticks, between two of them while it plays. */
  get position() {
    return this.#position;
  }

  get playing() {
    return this.#frame !== null;
  }

  /** Begin again at the end; otherwise go on. */
  play() {
    if (this.playing) return;
    if (this.#position >= this.#last) this.#position = 0;
    this.#before = null;
    this.#frame = requestAnimationFrame(this.#next);
    this.#tell(this.#position);
  }

  pause() {
    if (!this.playing) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = null;
    this.#tell(this.#position);
  }

  /** @param {number} position what lies outside is brought to the nearer end */
  seek(position) {
    this.#position = Math.min(Math.max(position, 0), this.#last);
    this.#tell(this.#position);
  }

  /**
   * Stop at a whole tick before or after.
   * @param {number} ticks
   */
  step(ticks) {
    this.pause();
    const here = ticks < 0 ? Math.ceil(this.#position) : Math.floor(this.#position);
    this.seek(here + ticks);
  }

  /** @param {number} speed 1: as it was flown */
  set speed(speed) {
    this.#speed = speed;
  }

  #next = (now) => {
    const passed = this.#before === null ? 0 : Math.min(now - this.#before, LONGEST_FRAME_MS);
    this.#before = now;
    this.#position = Math.min(this.#position + (passed * this.#speed) / this.#tickMs, this.#last);
    this.#frame = this.#position < this.#last ? requestAnimationFrame(this.#next) : null;
    this.#tell(this.#position);
  };
}
