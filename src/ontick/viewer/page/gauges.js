// What do the instruments of one lane say? Live numbers, at a rate that can be read.

import { Actions } from "ontick/actions.js";
import { element, say } from "ontick/elements.js";
import { counted, fixed, milliseconds, percent } from "ontick/figures.js";
import { Strip } from "ontick/strip.js";

const NOTHING = "–";
const SOURCES = [["fresh", "fresh"], ["planned", "planned"], ["held", "held"], ["noop", "no-op"]];

export class Gauges {
  #parts;
  #strip;
  #actions;
  #counts;
  #features = [];
  #values = [];
  #tick = null;
  #shown = null;

  /** @param {Record<string, HTMLElement>} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#strip = new Strip(parts.strip);
    this.#actions = new Actions(parts.actions, parts.agreement);
    this.#counts = SOURCES.map(([source, name]) => {
      const [count, share] = [element("dd"), element("span", { class: `share ot-${source}` })];
      const entry = element("div", {}, element("dt", { class: `ot-source ot-${source}`, text: name }), count);
      parts.counts.append(entry);
      parts.shares.append(share);
      return { source, count, share, entry };
    });
    this.#clear();
  }

  /** An episode begins. */
  begin(flight) {
    this.#tick = null;
    this.#clear();
    this.#strip.begin(flight.tick_ms);
    this.#actions.begin(flight);
    this.#features = flight.features;
    this.#values = flight.features.map(() => element("dd", { text: NOTHING }));
    this.#parts.state.replaceChildren(
      ...flight.features.map(({ name, unit }, number) =>
        element("div", {}, element("dt", { text: unit ? `${name}, ${unit}` : name }), this.#values[number])),
    );
    say(this.#parts.prompt, flight.prompt ?? "This controller is not asked in words.");
  }

  #clear() {
    for (const part of ["latency", "in-time", "age", "lateness", "reward", "prompt", "asked", "answer"]) say(this.#parts[part], NOTHING);
    say(this.#parts.latencies, "");
    for (const { source, count, share, entry } of this.#counts) {
      say(count, NOTHING);
      share.hidden = true;
      entry.hidden = source === "planned";
    }
  }

  tick(tick) {
    this.#tick = tick;
    this.#strip.tick(tick);
    this.#actions.tick(tick);
  }

  /** @param {number | null} timeMs of the flight, as the stage shows it */
  frame(timeMs, wordsToo) {
    this.#strip.draw(timeMs);
    if (!wordsToo || !this.#tick || this.#tick === this.#shown) return;
    this.#shown = this.#tick;
    this.#numbers(this.#tick);
    this.#actions.show(this.#tick);
    this.#words(this.#tick.answer);
  }

  #numbers({ you, decision_ms: decision, counts, age, lateness_ms: lateness, reward, state }) {
    const parts = this.#parts;
    say(parts.latency, milliseconds(decision?.last));
    const none = you ? "you answer with the keys" : "no answer yet";
    say(parts.latencies, decision ? `half within ${milliseconds(decision.p50)}, 95 % within ${milliseconds(decision.p95)}` : none);
    const all = SOURCES.reduce((sum, [source]) => sum + counts[source], 0);
    say(parts["in-time"], percent(counts.fresh + counts.planned, all));
    for (const { source, count, share, entry } of this.#counts) {
      share.hidden = counts[source] === 0;
      entry.hidden = source === "planned" && share.hidden;
      say(count, percent(counts[source], all));
      share.style.setProperty("--share", String(all > 0 ? counts[source] / all : 0));
    }
    say(parts.age, counted(age, "tick"));
    say(parts.lateness, milliseconds(lateness));
    say(parts.reward, fixed(reward, 1));
    state.forEach((value, number) => say(this.#values[number], fixed(value, this.#features[number].decimals)));
  }

  /** What a model was asked and said is shown as text, whatever it is. */
  #words(answer) {
    if (!answer) return;
    say(this.#parts.asked, answer.asked ?? NOTHING);
    const said = answer.text ?? (answer.action === null ? "nothing" : `action ${answer.action}`);
    say(this.#parts.answer, answer.failure ? `${said}\n\n${answer.failure}` : said);
    this.#parts.answer.classList.toggle("unusable", !answer.valid);
  }
}
