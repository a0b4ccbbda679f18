// How does a person talk with the model that flies a lane? A box for questions, the answers as they grow, what they cost.

import { element, say } from "ontick/elements.js";
import { milliseconds } from "ontick/figures.js";

const UNFINISHED = new Set(["waiting", "reading", "writing"]);
const STATES = {
  waiting: "waiting",
  reading: "reading the question",
  writing: "writing",
  done: "",
  cut: "cut at its longest",
  stopped: "stopped",
  failed: "not answered",
};
const SIDES = [["answering", "it answers"], ["silent", "it does not"]];
/** How near the end the answers must be scrolled to stay there as they grow, in pixels. */
const NEAR = 40;

export class Talk {
  #parts;
  /** By running number: its message, and the elements that show it. */
  #turns = new Map();
  #rows;
  #cost = null;
  #model = null;

  /**
   * @param {number} lane
   * @param {Record<string, HTMLElement>} parts
   * @param {(message: object) => void} send
   */
  constructor(lane, parts, send) {
    this.#parts = parts;
    parts["talk-form"].addEventListener("submit", (event) => {
      event.preventDefault();
      const text = parts.question.value.trim();
      if (!text || parts.ask.disabled) return;
      send({ do: "ask", lane, text });
      parts.question.value = "";
    });
    parts.hush.addEventListener("click", () => send({ do: "hush", lane }));
    this.#rows = SIDES.map(([side, name]) => {
      const [late, half, most] = [element("td"), element("td"), element("td")];
      parts["talk-rows"].append(element("tr", {}, element("th", { scope: "row", text: name }), late, half, most));
      return { side, late, half, most };
    });
  }

  /** @param {{state: string, talks: {model: string} | null}} lane */
  setLane({ state, talks }) {
    const parts = this.#parts;
    const settled = state === "flying" || state === "ended" || state === "empty";
    if ((talks && this.#model && !this.#model.here) || (!talks && settled)) this.forget();
    if (talks) this.#model = { name: talks.model, here: true };
    else if (this.#model) this.#model.here = false;
    parts.talk.hidden = !talks && this.#turns.size === 0;
    parts.ask.disabled = parts.question.disabled = !talks;
    if (talks) say(parts["talk-model"], talks.model);
  }

  /** @param {{number: number, question: string, text: string, state: string, note: string | null}} message */
  hear(message) {
    const { turns } = this.#parts;
    const atEnd = turns.scrollHeight - turns.scrollTop - turns.clientHeight < NEAR;
    const turn = this.#turns.get(message.number) ?? this.#begin(message);
    turn.state = message.state;
    say(turn.answer, message.text);
    const speed = message.tokens_per_s === null ? [] : [`${Math.round(message.tokens_per_s)} tokens a second`];
    say(turn.words, [STATES[message.state], ...speed, message.note].filter(Boolean).join(" · "));
    turn.item.dataset.state = message.state;
    const busy = [...this.#turns.values()].some(({ state }) => UNFINISHED.has(state));
    this.#parts.hush.hidden = !busy;
    turns.hidden = false;
    turns.setAttribute("aria-busy", String(busy));
    if (atEnd) turns.scrollTop = turns.scrollHeight;
  }

  /** What flying was like at ticks with an answer under way, and at the others. */
  tick({ talk }) {
    this.#cost = talk;
  }

  frame(wordsToo) {
    const cost = this.#cost;
    if (!wordsToo || !cost) return;
    this.#parts["talk-cost"].hidden = false;
    for (const { side, late, half, most } of this.#rows) {
      const { ticks, late_ticks: lateTicks, decision_ms: decision } = cost[side];
      say(late, `${lateTicks} of ${ticks}`);
      say(half, milliseconds(decision.p50));
      say(most, milliseconds(decision.p95));
    }
    this.#cost = null;
  }

  /** What a person asked and a model said is shown as text, whatever it is. */
  #begin({ number, question }) {
    const [answer, words] = [element("p", { class: "answer" }), element("p", { class: "answer-words" })];
    const item = element("li", {}, element("p", { class: "question", text: question }), answer, words);
    const turn = { item, answer, words, state: "waiting" };
    this.#turns.set(number, turn);
    this.#parts.turns.append(item);
    return turn;
  }

  /** Show nothing of what was said. */
  forget() {
    this.#turns.clear();
    this.#model = this.#cost = null;
    this.#parts.turns.replaceChildren();
    this.#parts.turns.hidden = this.#parts["talk-cost"].hidden = this.#parts.hush.hidden = true;
  }
}
