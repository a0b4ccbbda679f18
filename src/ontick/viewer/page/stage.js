// What is to be seen of one lane? The picture in motion, who flies it, and how it ended.

import { say } from "ontick/elements.js";
import { fixed } from "ontick/figures.js";
import { Motion } from "ontick/motion.js";
import { Scene } from "ontick/scene.js";

const PACES = { 0.5: "½ speed", 0.25: "¼ speed", 0.125: "⅛ speed" };
/** What an episode is called that was stopped: neither a success nor a failure. */
const INTERRUPTED = "interrupted";
const SOURCES = { fresh: "fresh", planned: "planned", held: "held", noop: "no-op" };

export class Stage {
  #parts;
  #scene = null;
  #drawn = null;
  #tick = null;
  #end = null;
  #lane = { state: "empty", note: null, you: false };
  /** What is flown, as the server told it; null before the first. */
  flight = null;
  motion = new Motion();

  /**
   * @param {Record<string, HTMLElement>} parts
   * @param {(run: string, number: number) => void} onReplay
   */
  constructor(parts, onReplay) {
    this.#parts = parts;
    parts.again.addEventListener("click", () => onReplay(this.#end.run, this.#end.number));
    this.setLane(this.#lane);
  }

  /** @param {{state: string, note: string | null, you: boolean}} lane @param {string} word who is to fly there */
  setLane(lane, word = "the controller") {
    this.#lane = lane;
    const { state, note } = lane;
    this.#parts.stage.dataset.state = state;
    const [title, words] = {
      empty: ["Nothing flies here yet", "Choose a task and a controller, then press Fly."],
      loading: [`Loading ${word}`, note ?? "Models take a moment."],
      failed: [`${word} does not fly`, note ?? ""],
    }[state] ?? ["", ""];
    say(this.#parts["message-title"], title);
    say(this.#parts["message-words"], words);
    this.#parts.message.hidden = title === "";
    if (state !== "ended") this.#parts.banner.hidden = true;
    this.#chip();
  }

  /** @param {number} speed 0: paused */
  setSpeed(speed) {
    this.motion.speed = speed;
    this.#chip();
  }

  /** An episode begins. */
  begin(flight) {
    this.flight = flight;
    this.#end = this.#tick = this.#drawn = null;
    this.#parts.banner.hidden = true;
    for (const part of ["when", "action", "source"]) say(this.#parts[part], "");
    this.#parts.source.className = "";
    this.#parts.stage.dataset.episode = String(flight.episode);
    this.motion.begin(flight.tick_ms);
    if (this.#scene) this.#scene.setPicture(flight.picture);
    else this.#scene = new Scene(this.#parts.canvas, flight.picture);
    say(this.#parts.who, flight.controller);
    say(this.#parts.seed, `seed ${flight.seed}`);
    this.#parts.canvas.setAttribute("aria-label", `${flight.task} flown by ${flight.controller}, seed ${flight.seed}`);
  }

  tick(tick, now) {
    this.#tick = tick;
    this.motion.add(tick.time_ms, tick.poses, now);
  }

  ended(end, now) {
    this.#end = end;
    const after = (this.#tick?.time_ms ?? 0) + this.flight.tick_ms;
    this.motion.add(after, end.poses, now);
  }

  /** Draw the picture; the words follow ten times a second, which is as fast as they are read. */
  frame(now, wordsToo) {
    if (!this.#scene) return;
    const poses = this.motion.at(now);
    const still = this.motion.settled || this.motion.speed === 0;
    if (poses && !(still && poses === this.#drawn)) this.#scene.draw(poses);
    this.#drawn = still ? poses : null;
    if (this.#end && this.motion.settled && this.#lane.state === "ended") this.#showEnd();
    if (wordsToo && this.#tick) this.#words(this.#tick);
  }

  #words({ tick, time_ms, action, source }) {
    say(this.#parts.when, `tick ${tick} · ${fixed(time_ms / 1000, 1)} s`);
    say(this.#parts.action, this.actionName(action));
    say(this.#parts.source, SOURCES[source]);
    this.#parts.source.className = `ot-source ot-${source}`;
  }

  /** @param {number} action */
  actionName(action) {
    return this.flight.actions[action] ?? this.flight.noop_name;
  }

  #showEnd() {
    const { banner } = this.#parts;
    if (!banner.hidden) return;
    const { outcome, success, reward, steps, run } = this.#end;
    banner.dataset.success = outcome === INTERRUPTED ? "" : String(success);
    say(this.#parts.outcome, outcome.charAt(0).toUpperCase() + outcome.slice(1));
    say(this.#parts.ending, `${steps} ticks · reward ${fixed(reward, 0)}`);
    this.#parts.again.hidden = run === null;
    banner.hidden = false;
  }

  #chip() {
    const { chip } = this.#parts;
    const { state, you } = this.#lane;
    const pace = this.motion.speed === 0 ? "paused" : PACES[this.motion.speed];
    const words = state === "flying" ? [you ? "you fly" : null, pace].filter(Boolean).join(" · ") : "";
    say(chip, words);
    chip.hidden = words === "";
  }
}
