// Where in a flight was it late, and where did the teacher disagree? A strip of all ticks, with a legend.

import { drawing, element } from "ontick/elements.js";
import { SOURCES } from "ontick/sources.js";

/** Heights in CSS pixels: late ticks stand out above the others, for eyes that see no hue. */
const TOP = 0;
const IN_TIME = 7;
const BAND = 18;
const DISAGREES = [21, 26];
const ASKED = 30;
const ASKED_HIGH = 2.5;
const ASKED_APART = 3.5;
const MOST_ROWS = 6;
/** In ticks, so that an answer that took no time is to be seen. */
const SHORTEST = 0.1;

export class Timeline {
  /** The strip and its legend. */
  node;
  #strip;
  #head;
  #last;

  /**
   * @param {object} replay
   * @param {(tick: number) => void} seek called when someone points at a tick
   */
  constructor(replay, seek) {
    const { source } = replay.ticks;
    this.#last = Math.max(source.length, 1);
    const disagrees = disagreements(replay);
    const { bars, bottom } = answerBars(replay);
    const svg = drawing("svg", {
      viewBox: `0 0 ${this.#last} ${bottom}`,
      preserveAspectRatio: "none",
      class: "ot-strip-ticks",
      role: "img",
      "aria-label": inWords(source, disagrees),
    });
    svg.style.height = `${bottom}px`;
    for (const run of runs(source)) svg.append(sourceRun(run));
    if (disagrees) for (const run of runs(disagrees).filter((found) => found.value)) svg.append(box("ot-disagrees", run, DISAGREES));
    svg.append(...bars);
    this.#head = element("div", { class: "ot-strip-head", "aria-hidden": "true" });
    this.#strip = element("div", { class: "ot-strip" }, svg, this.#head);
    this.node = element("div", { class: "ot-timeline" }, this.#strip, legend(source, disagrees, replay));
    this.#follow(seek);
  }

  /** @param {number} position in ticks */
  show(position) {
    this.#head.style.insetInlineStart = `${(100 * position) / this.#last}%`;
  }

  #follow(seek) {
    const strip = this.#strip;
    const point = (event) => {
      const { left, width } = strip.getBoundingClientRect();
      const position = ((event.clientX - left) / width) * this.#last;
      seek(Math.min(Math.max(Math.floor(position), 0), this.#last));
    };
    strip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      strip.setPointerCapture(event.pointerId);
      point(event);
    });
    strip.addEventListener("pointermove", (event) => {
      if (strip.hasPointerCapture(event.pointerId)) point(event);
    });
  }
}

/**
 * Whether the teacher would have done something else, for every tick; null without a teacher.
 * @param {object} replay
 * @returns {boolean[] | null}
 */
export function disagreements({ teacher, ticks }) {
  return teacher && teacher.map((wanted, tick) => wanted !== ticks.action[tick]);
}

/** Stretches of equal values. */
function runs(values) {
  const found = [];
  for (let tick = 0; tick < values.length; tick += 1) {
    const run = found.at(-1);
    if (run && run.value === values[tick]) run.to = tick + 1;
    else found.push({ value: values[tick], from: tick, to: tick + 1 });
  }
  return found;
}

function sourceRun(run) {
  const { style, late } = SOURCES[run.value];
  return box(`ot-run ${style}${late ? " ot-run-late" : ""}`, run, [late ? TOP : IN_TIME, BAND]);
}

function box(style, { from, to }, [top, bottom]) {
  return drawing("rect", { class: style, x: from, y: top, width: to - from, height: bottom - top });
}

/**
 * From when an answer was asked for to when it came, as far as the flight goes; below those that it touches, while
 * there is room.
 */
function answerBars({ answers, tick_ms: tickMs, ticks }) {
  const within = (ms) => Math.min(Math.max(ms / tickMs, 0), ticks.action.length);
  const ends = [];
  const bars = [...answers]
    .sort((a, b) => a.started_ms - b.started_ms)
    .map(({ started_ms: started, latency_ms: took, valid }) => {
      const from = within(started);
      const to = Math.max(within(started + took), from + SHORTEST);
      let row = ends.findIndex((end) => end < from);
      if (row < 0) row = ends.length < MOST_ROWS ? ends.length : ends.indexOf(Math.min(...ends));
      ends[row] = to;
      const top = ASKED + row * ASKED_APART;
      return box(`ot-asking${valid ? "" : " ot-asking-invalid"}`, { from, to }, [top, top + ASKED_HIGH]);
    });
  return { bars, bottom: bars.length > 0 ? ASKED + ends.length * ASKED_APART : DISAGREES[1] };
}

function inWords(source, disagrees) {
  const counts = [...countsOf(source)].map(([letter, count]) => `${count} ${SOURCES[letter].name}`);
  const against = disagrees ? `; the teacher disagrees at ${disagrees.filter(Boolean).length}` : "";
  return `${source.length} ticks: ${counts.join(", ")}${against}`;
}

function countsOf(source) {
  const counts = new Map();
  for (const letter of Object.keys(SOURCES)) {
    const count = [...source].filter((other) => other === letter).length;
    if (count > 0) counts.set(letter, count);
  }
  return counts;
}

function legend(source, disagrees, { answers }) {
  const items = [...countsOf(source)].map(([letter, count]) => item(`ot-source ${SOURCES[letter].style}`, `${SOURCES[letter].name} ${count}`));
  const against = disagrees ? disagrees.filter(Boolean).length : 0;
  if (against > 0) items.push(item("ot-key ot-key-disagrees", `teacher disagrees ${against}`));
  else if (disagrees) items.push(item("", "teacher agrees throughout"));
  if (answers.length > 0) items.push(item("ot-key ot-key-asking", "asked, until answered"));
  if (answers.some(({ valid }) => !valid)) items.push(item("ot-key ot-key-invalid", "answered with no action"));
  return element("ul", { class: "ot-legend" }, ...items);
}

function item(style, text) {
  return element("li", {}, element("span", { class: style, text }));
}
