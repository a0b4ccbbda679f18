// What is to be said of the tick that is shown? Its action and where it came from, what was answered, and the state.

import { element, say } from "ontick/elements.js";
import { Logprobs } from "ontick/logprobs.js";
import { SOURCES } from "ontick/sources.js";

const NOTHING = "–";

export class Readout {
  node;
  #replay;
  #rewards;
  #newest;
  #tick = element("strong", { class: "ot-tick ot-figures" });
  #time = element("span", { class: "ot-time ot-figures ot-muted" });
  #facts;
  #values;
  #answer;

  /** @param {object} replay */
  constructor(replay) {
    this.#replay = replay;
    this.#rewards = soFar(replay.ticks.reward);
    this.#newest = newestAnswers(replay);
    this.#facts = new Facts(["action", ...(replay.teacher ? ["teacher"] : []), "source", "observation age", "tick lateness", "reward so far"]);
    this.#values = new Facts(replay.features.map(({ name, unit }) => (unit ? `${name} (${unit})` : name)));
    this.#values.node.classList.add("ot-values");
    this.#answer = new Answer(replay);
    this.node = element(
      "div",
      { class: "ot-readout" },
      element("p", { class: "ot-now" }, this.#tick, this.#time),
      this.#facts.node,
      this.#answer.node,
      element("p", { class: "ot-part", text: "State" }),
      this.#values.node,
    );
  }

  /** @param {number} tick from 0; after the last one the flight is over */
  show(tick) {
    const { ticks, tick_ms: tickMs, steps } = this.#replay;
    const over = tick >= ticks.action.length;
    say(this.#tick, over ? `end, after ${steps} ticks` : `tick ${tick}`);
    say(this.#time, `${((tick * tickMs) / 1000).toFixed(2)} s`);
    this.#tell(tick, over);
    const state = over ? ticks.final_state : ticks.state[tick];
    this.#values.show(this.#replay.features.map(({ decimals }, place) => number(state?.[place], decimals)));
    this.#answer.show(this.#newest[Math.min(tick, this.#newest.length - 1)] ?? null);
  }

  /** @returns {string} the same in a sentence, for a screen reader */
  inWords(tick) {
    const { ticks, teacher, outcome } = this.#replay;
    if (tick >= ticks.action.length) return `End of the flight: ${outcome}`;
    const wanted = teacher && teacher[tick] !== ticks.action[tick] ? `; the teacher: ${this.#name(teacher[tick])}` : "";
    return `Tick ${tick}: ${this.#name(ticks.action[tick])}, ${SOURCES[ticks.source[tick]].name}${wanted}`;
  }

  #tell(tick, over) {
    const { ticks, teacher, tick_ms: tickMs } = this.#replay;
    const source = over ? null : SOURCES[ticks.source[tick]];
    const age = over ? null : ticks.age[tick];
    const wrong = !over && teacher !== null && teacher[tick] !== ticks.action[tick];
    const said = {
      action: over ? NOTHING : this.#name(ticks.action[tick]),
      teacher: over || !teacher ? NOTHING : this.#name(teacher[tick]),
      source: source ? source.name : NOTHING,
      "observation age": age === null ? NOTHING : `${age} ${age === 1 ? "tick" : "ticks"}, ${number(age * tickMs, 0)} ms`,
      "tick lateness": over ? NOTHING : `${number(ticks.lateness_ms[tick], 2)} ms`,
      "reward so far": number(this.#rewards[Math.min(tick, this.#rewards.length - 1)] ?? 0, 1),
    };
    this.#facts.show(this.#facts.names.map((name) => said[name]));
    if (teacher) this.#facts.mark("teacher", wrong ? "ot-wrong" : "", wrong ? "disagrees" : "");
    this.#facts.mark("source", source ? `ot-source ${source.style}` : "", source ? source.means : "");
  }

  #name(action) {
    const { actions, noop_name: noopName } = this.#replay;
    return actions[action] ?? noopName;
  }
}

/** Names and what is said of each, in a list whose places do not move. */
class Facts {
  node = element("dl", { class: "ot-facts" });
  names;
  #said = new Map();

  constructor(names) {
    this.names = names;
    for (const name of names) {
      const value = element("span");
      const remark = element("span", { class: "ot-remark" });
      this.#said.set(name, { value, remark });
      this.node.append(element("div", {}, element("dt", { text: name }), element("dd", { class: "ot-figures" }, value, remark)));
    }
  }

  show(texts) {
    texts.forEach((text, place) => say(this.#said.get(this.names[place]).value, text));
  }

  mark(name, style, remark) {
    const said = this.#said.get(name);
    if (said.value.className !== style) said.value.className = style;
    say(said.remark, remark);
  }
}

/** The newest answer that has arrived: when it was asked for, how long it took, and what a model said. */
class Answer {
  node;
  #replay;
  #facts;
  #logprobs = null;
  #texts = new Map();

  constructor(replay) {
    this.#replay = replay;
    this.#facts = new Facts(["answer", "on", "took"]);
    const parts = [element("p", { class: "ot-part", text: "Newest answer" }), this.#facts.node];
    if (replay.answers.some(({ logprobs }) => logprobs)) {
      this.#logprobs = new Logprobs(replay.actions);
      parts.push(this.#logprobs.node);
    }
    for (const [key, title] of [["asked", "Asked"], ["text", "Raw answer"]]) {
      if (!replay.answers.some((answer) => answer[key] !== undefined)) continue;
      const words = element("pre", { class: "ot-words", tabindex: 0, "aria-label": title });
      this.#texts.set(key, words);
      parts.push(element("p", { class: "ot-part ot-part-small", text: title }), words);
    }
    this.node = element("div", { class: "ot-answer", hidden: replay.answers.length === 0 }, ...parts);
  }

  show(answer) {
    const { actions, tick_ms: tickMs } = this.#replay;
    const ticks = answer ? answer.latency_ms / tickMs : 0;
    this.#facts.show([
      answer === null ? "none yet" : answer.action === null ? "no action" : inTurn([answer.action, ...(answer.then ?? [])].map((action) => actions[action] ?? NOTHING)),
      answer === null ? NOTHING : `tick ${answer.tick}’s state`,
      answer === null ? NOTHING : `${number(answer.latency_ms, answer.latency_ms < 100 ? 1 : 0)} ms`,
    ]);
    this.#facts.mark("answer", answer && !answer.valid ? "ot-wrong" : "", answer?.failure ?? "");
    this.#facts.mark("on", "", answer?.foreseen_tick !== undefined ? `as foreseen for tick ${answer.foreseen_tick}` : "");
    this.#facts.mark("took", ticks > 1 ? "ot-over" : "", ticks > 1 ? `${number(ticks, 1)} ticks` : "");
    this.#logprobs?.show(answer?.logprobs ?? null, answer?.action ?? null);
    for (const [key, words] of this.#texts) say(words, answer?.[key] ?? NOTHING);
  }
}

/** The newest answer that has arrived by each tick, and at the end. */
function newestAnswers({ answers, ticks }) {
  const newest = [];
  const collected = answers.filter((answer) => answer.collected !== null);
  let next = 0;
  for (let tick = 0; tick <= ticks.action.length; tick += 1) {
    while (next < collected.length && collected[next].collected <= tick) next += 1;
    newest.push(collected[next - 1] ?? null);
  }
  return newest;
}

/** A plan's actions, one after another: "left 2×, right". */
function inTurn(names) {
  const turns = [];
  for (const name of names) {
    if (turns.at(-1)?.name === name) turns.at(-1).times += 1;
    else turns.push({ name, times: 1 });
  }
  return turns.map(({ name, times }) => (times > 1 ? `${name}\u00a0${times}×` : name)).join(", ");
}

function soFar(rewards) {
  let sum = 0;
  return rewards.map((reward) => (sum += reward ?? 0));
}

function number(value, decimals) {
  return value === null || value === undefined ? NOTHING : value.toFixed(decimals).replace(/^-(?=[0.]*$)/, "").replace("-", "−");
}
