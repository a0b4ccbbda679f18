// Which recorded flight is looked at again? Runs, a run's episodes, and the player for one of them.

import { element } from "ontick/elements.js";
import { counted, fixed } from "ontick/figures.js";

/** Runs beside episodes beside the player; whatever is damaged says so. */
export class Replays {
  #runs = document.getElementById("runs");
  #episodes = document.getElementById("episodes");
  #place = document.getElementById("player");
  #player = null;
  /** Counts what was asked for, so that an answer to something older is dropped. */
  #asked = 0;

  constructor() {
    document.getElementById("list-runs").addEventListener("click", () => this.list());
    this.list();
  }

  /** Look which runs there are. */
  async list() {
    const answer = await this.#ask("runs", this.#runs);
    if (!answer) return;
    if (answer.runs.length === 0) {
      const words = `No recorded runs in ${answer.folder} yet. What flies above is recorded there.`;
      return this.#runs.replaceChildren(element("p", { class: "ot-muted", text: words }));
    }
    this.#runs.replaceChildren(element("ul", {}, ...answer.runs.map((run) => element("li", {}, this.#runButton(run)))));
  }

  /** Show an episode of a run, wherever on the page its number was found. */
  async open(run, number) {
    await this.list();
    await this.#openRun(run, number);
    this.#place.scrollIntoView({ block: "start" });
  }

  #runButton(run) {
    const [title, about] = run.damaged
      ? [run.name, run.damaged]
      : [`${run.task} · ${run.controller}`, [run.verb, counted(run.episodes, "episode"), startedWords(run.started_utc)].filter(Boolean).join(" · ")];
    const button = element(
      "button",
      { type: "button", class: "run", "data-run": run.id },
      element("strong", { text: title }),
      element("span", { class: run.damaged ? "damaged" : "ot-muted", text: about }),
      run.damaged ? "" : element("span", { class: "ot-muted ot-small", text: run.name }),
    );
    button.addEventListener("click", () => this.#openRun(run.id));
    return button;
  }

  async #openRun(id, number = null) {
    choose(this.#runs, "run", id);
    const run = await this.#ask(`runs/${encodeURIComponent(id)}`, this.#episodes);
    if (!run) return;
    const title = element("h3", { text: [run.asked?.task, run.asked?.controller].filter(Boolean).join(" · ") || "Episodes" });
    const notes = run.notes.map((note) => element("p", { class: "damaged", text: note }));
    const buttons = run.episodes.map((episode) => this.#episodeButton(id, episode));
    this.#episodes.replaceChildren(title, ...notes, element("div", { class: "episode-list" }, ...buttons));
    const first = run.episodes.find(({ replay, success }) => replay && !success) ?? run.episodes.find(({ replay }) => replay);
    if (number === null ? first : true) await this.#openEpisode(id, number ?? first.number);
  }

  #episodeButton(run, { number, seed, outcome, success, failure, steps, reward, replay }) {
    const button = element(
      "button",
      { type: "button", class: `episode ${success ? "good" : "bad"}`, "data-episode": number, disabled: replay === false },
      element("strong", { text: failure ?? outcome }),
      element("span", { class: "ot-small ot-muted", text: `seed ${seed} · ${steps} ticks · reward ${fixed(reward, 0)}` }),
    );
    button.addEventListener("click", () => this.#openEpisode(run, number));
    return button;
  }

  async #openEpisode(run, number) {
    choose(this.#episodes, "episode", String(number));
    this.#player?.destroy();
    this.#player = null;
    const replay = await this.#ask(`runs/${encodeURIComponent(run)}/${number}`, this.#place);
    if (!replay) return;
    const { mountPlayer } = await import("ontick/player.js");
    const box = element("div");
    this.#place.replaceChildren(box);
    this.#player = mountPlayer(box, replay);
  }

  /** Fetch, saying so in a place meanwhile and what went wrong; null where there is nothing to go on with. */
  async #ask(address, place) {
    const asked = (this.#asked += 1);
    let words = "The server does not answer; is `ontick watch` still running?";
    try {
      const response = await fetch(address);
      const answer = await response.json();
      if (asked !== this.#asked) return null;
      if (response.ok) return answer;
      words = answer.error;
    } catch {
      if (asked !== this.#asked) return null;
    }
    place.replaceChildren(element("p", { class: "damaged", text: words }));
    return null;
  }
}

function choose(list, kind, value) {
  for (const button of list.querySelectorAll(`[data-${kind}]`)) {
    if (button.dataset[kind] === value) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function startedWords(startedUtc) {
  const started = new Date(startedUtc ?? NaN);
  return Number.isNaN(started.getTime()) ? "" : started.toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" });
}
