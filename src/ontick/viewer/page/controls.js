// What can be changed while it flies? The late rule, the pace, and whether the next seed follows by itself.

const BACK_TO_REAL_TIME = "1";

export class Controls {
  #console = document.getElementById("console");
  #pause = document.getElementById("pause");
  #goOn = document.getElementById("go-on");
  #set;
  #paused = false;

  /** @param {(settings: object) => void} set sends what acts at once */
  constructor(set) {
    this.#set = set;
    this.#console.addEventListener("change", ({ target }) => {
      if (target.name === "late") set({ late: target.value });
      if (target.name === "speed" && !this.#paused) set({ speed: Number(target.value) });
      if (target === this.#goOn) set({ go_on: target.checked });
    });
    this.#pause.addEventListener("click", () => this.pause());
  }

  /** @param {{late: string, speed: number, go_on: boolean}} settings */
  adopt({ late, speed, go_on: goOn }) {
    this.#paused = speed === 0;
    this.#goOn.checked = goOn;
    this.#check("late", late);
    if (!this.#paused) this.#check("speed", String(speed));
    this.#pause.setAttribute("aria-pressed", String(this.#paused));
    this.#pause.textContent = this.#paused ? "Go on" : "Pause";
  }

  /** Pause, or go on at the pace that is chosen. */
  pause() {
    this.#set({ speed: this.#paused ? Number(this.#checked("speed")) : 0 });
  }

  /** Half the pace; after the slowest, real time again. */
  slower() {
    const paces = this.#radios("speed").map(({ value }) => value);
    const slower = paces[paces.indexOf(this.#checked("speed")) - 1] ?? BACK_TO_REAL_TIME;
    this.#check("speed", slower);
    this.#set({ speed: Number(slower) });
  }

  /** The other late rule. */
  otherRule() {
    this.#set({ late: this.#checked("late") === "hold" ? "noop" : "hold" });
  }

  #radios(name) {
    return [...this.#console.querySelectorAll(`input[name="${name}"]`)];
  }

  #checked(name) {
    return this.#radios(name).find(({ checked }) => checked)?.value ?? BACK_TO_REAL_TIME;
  }

  #check(name, value) {
    for (const radio of this.#radios(name)) radio.checked = radio.value === value;
  }
}
