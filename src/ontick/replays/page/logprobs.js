// How sure was a model of each action? Its log-probabilities as bars.

import { element, say } from "ontick/elements.js";

export class Logprobs {
  node = element("ul", { class: "ot-logprobs" });
  #rows;

  /** @param {string[]} actions */
  constructor(actions) {
    this.#rows = actions.map((name) => {
      const bar = element("span", { class: "ot-logprob-bar", "aria-hidden": "true" });
      const share = element("span", { class: "ot-logprob-share ot-figures" });
      const row = element("li", {}, element("span", { class: "ot-logprob-name", text: name }), element("span", { class: "ot-logprob-track" }, bar), share);
      return { row, bar, share };
    });
    this.node.append(...this.#rows.map(({ row }) => row));
  }

  /**
   * @param {(number | null)[] | null} logprobs one an action; null: the controller does not tell
   * @param {number | null} chosen
   */
  show(logprobs, chosen) {
    this.#rows.forEach(({ row, bar, share }, action) => {
      const logprob = logprobs?.[action] ?? null;
      const probability = logprob === null ? 0 : Math.exp(logprob);
      bar.style.width = `${(100 * Math.min(probability, 1)).toFixed(1)}%`;
      say(share, logprobs === null ? "–" : inPercent(probability));
      row.title = logprob === null ? "" : `log-probability ${logprob.toFixed(2)}`;
      row.classList.toggle("ot-chosen", logprobs !== null && action === chosen);
    });
  }
}

function inPercent(probability) {
  if (probability > 0 && probability < 0.001) return "<0.1 %";
  return `${(100 * probability).toFixed(1)} %`;
}
