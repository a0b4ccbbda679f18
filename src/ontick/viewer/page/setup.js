// What is to be flown next: which task, by whom, from which seed?

import { element } from "ontick/elements.js";

export class Setup {
  #form = document.getElementById("setup");
  #fields = this.#form.elements;
  #beside = document.getElementById("beside");
  /** Fields that were edited here and not flown yet; what other tabs say does not overwrite them. */
  #edited = new Set();
  #onFly;

  /** @param {(settings: object) => void} onFly @param {() => void} onStop */
  constructor(onFly, onStop) {
    this.#onFly = onFly;
    this.#form.addEventListener("input", ({ target }) => this.#edited.add(target.name));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.fly();
    });
    document.getElementById("stop").addEventListener("click", onStop);
    this.#beside.addEventListener("click", () => {
      this.#edited.add("second");
      this.#showSecond(this.#fields.second.closest("label").hidden);
      if (this.#isDouble) this.#fields.second.focus();
    });
  }

  /** @param {{tasks: {name: string}[], controllers: string[], limits: {max_in_flight: number}}} hello */
  offer({ tasks, controllers, limits }) {
    this.#fields.task.replaceChildren(...tasks.map(({ name }) => element("option", { text: name })));
    document.getElementById("controllers").replaceChildren(...controllers.map((word) => element("option", { value: word })));
    this.#fields.in_flight.max = String(limits.max_in_flight);
  }

  /** @param {{task: string, controllers: string[], seed: number, in_flight: number}} settings */
  adopt({ task, controllers, seed, in_flight: inFlight }) {
    const values = { task, first: controllers[0] ?? "", second: controllers[1] ?? "", seed, in_flight: inFlight };
    for (const [name, value] of Object.entries(values)) {
      if (!this.#edited.has(name)) this.#fields[name].value = String(value);
    }
    if (!this.#edited.has("second")) this.#showSecond(controllers.length > 1);
  }

  /** Fly what the form says, or show what it lacks. */
  fly() {
    if (!this.#form.reportValidity()) return;
    const { task, first, second, seed, in_flight: inFlight } = this.#fields;
    this.#edited.clear();
    this.#onFly({
      task: task.value,
      controllers: [first.value.trim(), ...(this.#isDouble && second.value.trim() ? [second.value.trim()] : [])],
      seed: Number(seed.value),
      in_flight: Number(inFlight.value),
    });
  }

  /** @param {boolean} busy whether anything flies that could be stopped */
  setBusy(busy) {
    document.getElementById("stop").disabled = !busy;
  }

  get #isDouble() {
    return !this.#fields.second.closest("label").hidden;
  }

  #showSecond(shown) {
    this.#fields.second.closest("label").hidden = !shown;
    this.#beside.setAttribute("aria-expanded", String(shown));
    this.#beside.textContent = shown ? "− only one" : "+ side by side";
  }
}
