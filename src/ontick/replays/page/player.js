// How is a recorded flight played? A picture that moves, its ticks to go to, and beside it what happened at each.

import { element, say } from "ontick/elements.js";
import { Playback } from "ontick/playback.js";
import { Readout } from "ontick/readout.js";
import { Scene, mixPoses } from "ontick/scene.js";
import { Timeline } from "ontick/timeline.js";

const SPEEDS = [["⅛×", 0.125], ["¼×", 0.25], ["½×", 0.5], ["1×", 1], ["2×", 2], ["4×", 4]];
const STRIDE = 10;
/** How long nothing may have changed before a screen reader is told. */
const QUIET_MS = 400;

/**
 * Put a player of one replay into an element, in place of what it holds.
 * @param {HTMLElement} container
 * @param {object} replay what ``replay_of`` makes of a recorded flight
 * @param {{autoplay?: boolean}} options it does not begin by itself where the reader wants less motion
 * @returns {{seek(tick: number): void, play(): void, pause(): void, destroy(): void}}
 */
export function mountPlayer(container, replay, { autoplay = false } = {}) {
  const last = replay.ticks.action.length;
  const playback = new Playback(last, replay.tick_ms, (position) => show(position));
  const goTo = (tick) => {
    playback.pause();
    playback.seek(tick);
  };

  const canvas = element("canvas", { role: "img", "aria-label": `${replay.task}, drawn as it was at the tick shown` });
  const readout = new Readout(replay);
  const timeline = new Timeline(replay, goTo);
  const controls = new Controls(replay, playback, goTo);
  const status = element("p", { class: "ot-unseen", role: "status" });
  const root = element(
    "section",
    { class: "ot-player", "aria-label": `Replay of ${replay.task} flown by ${replay.controller}, seed ${replay.seed}` },
    element(
      "div",
      { class: "ot-player-parts" },
      element("div", { class: "ot-stage" }, heading(replay), canvas, controls.scrub, timeline.node, controls.bar, ...notes(replay)),
      readout.node,
    ),
    status,
  );
  container.replaceChildren(root);

  const scene = new Scene(canvas, replay.picture);
  const { poses } = replay.ticks;
  let shown = null;
  let quiet = null;
  const show = (position) => {
    const tick = Math.floor(position);
    const here = poses[Math.min(tick, poses.length - 1)] ?? [];
    scene.draw(mixPoses(here, poses[tick + 1] ?? here, position - tick));
    timeline.show(position);
    controls.show(tick, playback.playing);
    if (tick !== shown) readout.show(tick);
    shown = tick;
    clearTimeout(quiet);
    if (!playback.playing) quiet = setTimeout(() => say(status, readout.inWords(tick)), QUIET_MS);
  };

  canvas.addEventListener("click", () => (playback.playing ? playback.pause() : playback.play()));
  root.addEventListener("keydown", (event) => onKey(event, playback, goTo, last));
  readout.show(0);
  timeline.show(0);
  controls.show(0, false);
  scene.draw(poses[0] ?? []);
  if (autoplay && !window.matchMedia("(prefers-reduced-motion: reduce)").matches) playback.play();

  return {
    seek: goTo,
    play: () => playback.play(),
    pause: () => playback.pause(),
    destroy() {
      playback.pause();
      clearTimeout(quiet);
      scene.destroy();
      root.remove();
    },
  };
}

/** The scrub bar and the buttons. */
class Controls {
  scrub;
  bar;
  #play = element("button", { type: "button", class: "ot-play" });
  #icon = element("span", { class: "ot-icon", "aria-hidden": "true" });
  #back;
  #forward;
  #last;
  #tickMs;

  constructor(replay, playback, goTo) {
    this.#last = replay.ticks.action.length;
    this.#tickMs = replay.tick_ms;
    this.scrub = element("input", { type: "range", class: "ot-scrub", min: 0, max: this.#last, step: 1, value: 0, "aria-label": "Tick" });
    this.#listenToScrub(playback);
    this.#play.append(this.#icon);
    this.#play.addEventListener("click", () => (playback.playing ? playback.pause() : playback.play()));
    this.#back = button("Back one tick", "ot-icon ot-icon-back", () => playback.step(-1));
    this.#forward = button("Forward one tick", "ot-icon ot-icon-forward", () => playback.step(1));
    const jumps = jumpsOf(replay).map(([name, tick]) => {
      const jump = element("button", { type: "button", class: "ot-jump", text: name, title: tick === this.#last ? null : `tick ${tick}` });
      jump.addEventListener("click", () => goTo(tick));
      return jump;
    });
    this.bar = element(
      "div",
      { class: "ot-controls" },
      element("div", { class: "ot-transport" }, this.#back, this.#play, this.#forward, speeds(playback)),
      element("div", { class: "ot-jumps", role: "group", "aria-label": "Jump to" }, ...jumps),
    );
  }

  show(tick, playing) {
    if (this.scrub.valueAsNumber !== tick) this.scrub.value = String(tick);
    const place = `${tick} of ${this.#last}, ${((tick * this.#tickMs) / 1000).toFixed(2)} seconds`;
    if (!playing) this.scrub.setAttribute("aria-valuetext", place);
    this.scrub.style.setProperty("--share", `${(100 * tick) / Math.max(this.#last, 1)}%`);
    if (this.#play.dataset.playing === String(playing)) return;
    this.#play.dataset.playing = String(playing);
    this.#play.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.#play.title = playing ? "Pause" : "Play";
    this.#icon.className = `ot-icon ${playing ? "ot-icon-pause" : "ot-icon-play"}`;
  }

  /** Someone who drags the scrub bar while it plays is not worked against; it goes on where they let go. */
  #listenToScrub(playback) {
    let dragged = false;
    let goOn = false;
    this.scrub.addEventListener("pointerdown", () => {
      dragged = true;
      goOn = playback.playing;
    });
    this.scrub.addEventListener("input", () => {
      const tick = this.scrub.valueAsNumber;
      playback.pause();
      playback.seek(tick);
    });
    this.scrub.addEventListener("change", () => {
      if (dragged && goOn) playback.play();
      dragged = goOn = false;
    });
  }
}

function onKey(event, playback, goTo, last) {
  const { target } = event;
  if (event.altKey || event.ctrlKey || event.metaKey || target.matches("select, pre")) return;
  const stride = event.shiftKey ? STRIDE : 1;
  const acts = {
    ArrowLeft: () => playback.step(-stride),
    ArrowRight: () => playback.step(stride),
    Home: () => goTo(0),
    End: () => goTo(last),
    " ": target.matches("button") ? null : () => (playback.playing ? playback.pause() : playback.play()),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

/** Where to jump to, from left to right. */
function jumpsOf({ marks, ticks }) {
  const wanted = [
    ["First late tick", marks.first_late],
    ["First disagreement", marks.first_disagreement],
    ["First invalid answer", marks.first_invalid],
    ["End", ticks.action.length],
  ];
  return wanted.filter(([, tick]) => tick !== null);
}

function button(name, icon, onClick) {
  const made = element("button", { type: "button", "aria-label": name, title: name }, element("span", { class: icon, "aria-hidden": "true" }));
  made.addEventListener("click", onClick);
  return made;
}

function speeds(playback) {
  const select = element("select", { class: "ot-speed", "aria-label": "Speed" });
  for (const [name, speed] of SPEEDS) select.append(element("option", { value: speed, text: name, selected: speed === 1 }));
  select.addEventListener("change", () => (playback.speed = Number(select.value)));
  return select;
}

function heading({ task, controller, seed, outcome, success, failure }) {
  const ending = !failure || failure.includes(outcome) ? (failure ?? outcome) : `${outcome}: ${failure}`;
  const style = success === true ? "ot-ended ot-ended-well" : success === false ? "ot-ended ot-ended-badly" : "ot-ended";
  return element(
    "p",
    { class: "ot-flight" },
    element("span", { class: "ot-who", text: `${task} · ${controller}` }),
    element("span", { class: "ot-muted", text: `seed ${seed}` }),
    element("span", { class: style, text: ending }),
  );
}

function notes(replay) {
  return (replay.notes ?? []).map((note) => element("p", { class: "ot-note ot-small", text: note }));
}
