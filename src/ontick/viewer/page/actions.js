// What does the controller make of its actions? Their probabilities, the one that acts, and the teacher's.

import { element, say } from "ontick/elements.js";
import { fixed, percent } from "ontick/figures.js";

/** One row an action: its name, the answer's probability as a bar, its log-probability, and whether it is the teacher's. */
export class Actions {
  #list;
  #agreement;
  #rows = [];
  #judged = 0;
  #agreed = 0;

  /** @param {HTMLElement} list @param {HTMLElement} agreement */
  constructor(list, agreement) {
    this.#list = list;
    this.#agreement = agreement;
  }

  /** @param {{actions: string[], noop: number, noop_name: string}} flight */
  begin({ actions, noop, noop_name: noopName }) {
    const names = noop < actions.length ? actions : [...actions, noopName];
    this.#rows = names.map((name) => {
      const [logprob, bar, who] = [element("span", { class: "logprob" }), element("span", { class: "bar" }), element("span", { class: "who" })];
      const row = element("li", {}, element("span", { class: "name", text: name }), element("span", { class: "track" }, bar), logprob, who);
      return { row, bar, logprob, who };
    });
    this.#list.replaceChildren(...this.#rows.map(({ row }) => row));
    this.#judged = this.#agreed = 0;
    say(this.#agreement, "");
  }

  /** Count whether the teacher agrees. */
  tick({ teacher, action }) {
    if (teacher === null) return;
    this.#judged += 1;
    this.#agreed += Number(teacher === action);
  }

  show({ action, teacher, answer }) {
    const logprobs = answer?.logprobs ?? null;
    this.#list.classList.toggle("known", logprobs !== null);
    this.#rows.forEach(({ row, bar, logprob, who }, number) => {
      const value = logprobs?.[number] ?? null;
      row.classList.toggle("unasked", value === null);
      row.classList.toggle("acting", number === action);
      bar.style.setProperty("--share", value === null ? "0" : Math.exp(value).toFixed(4));
      say(logprob, value === null ? "" : fixed(value, 2));
      say(who, number === teacher ? "teacher" : "");
      if (number === action) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    });
    say(this.#agreement, this.#judged > 0 ? `as the teacher: ${percent(this.#agreed, this.#judged)}` : "");
  }
}
