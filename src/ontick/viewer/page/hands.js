// How does a person fly a lane? Keys and touch buttons become the action that is held now.

import { element, say } from "ontick/elements.js";

const SYMBOLS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "space" };

export class Hands {
  #parts;
  #send;
  #lane;
  #keys = new Map();
  /** Keys and buttons held now, the newest last: it is the one that counts. */
  #held = [];
  /** What no key means: to do nothing, where that is one of the actions; else to say nothing. */
  #rest = null;
  #told = null;
  #you = false;
  #buttons = new Map();

  /**
   * @param {number} lane
   * @param {Record<string, HTMLElement>} parts
   * @param {(message: object) => void} send
   */
  constructor(lane, parts, send) {
    this.#lane = lane;
    this.#parts = parts;
    this.#send = send;
    parts.seize.addEventListener("click", () => this.toggle());
    document.addEventListener("keydown", (event) => this.#keyDown(event));
    document.addEventListener("keyup", ({ key }) => this.#release(key));
    window.addEventListener("blur", () => this.#releaseAll());
    document.addEventListener("visibilitychange", () => document.hidden && this.#releaseAll());
  }

  /**
   * An episode begins.
   * @param {Record<string, number>} keys which action each means
   * @param {{actions: string[], noop: number, noop_name: string}} flight
   */
  begin(keys, { actions, noop, noop_name: noopName }) {
    this.#rest = noop < actions.length ? noop : null;
    if (JSON.stringify([...this.#keys]) !== JSON.stringify(Object.entries(keys))) {
      this.#keys = new Map(Object.entries(keys));
      this.#held = [];
      const named = [...this.#keys].map(([key, action]) => [key, this.#button(key, actions[action] ?? noopName)]);
      this.#buttons = new Map(named);
      this.#parts.hands.replaceChildren(...this.#buttons.values());
    }
    this.#tell({ anyway: true });
  }

  /** @param {{state: string, you: boolean}} lane */
  setLane({ state, you }) {
    const taken = you && !this.#you;
    if (!you) this.#held = [];
    this.#you = you;
    const manned = state === "loading" || state === "flying" || state === "ended";
    this.#parts.seize.disabled = !manned;
    this.#parts.stage.classList.toggle("yours", you && manned);
    say(this.#parts.seize, you ? "Hand back" : "Take the controls");
    this.#light();
    if (taken) this.#tell({ anyway: true });
  }

  /** Take the controls, or hand them back. */
  toggle() {
    if (this.#parts.seize.disabled) return;
    this.#send({ do: this.#you ? "release" : "seize", lane: this.#lane });
    if (!this.#you) this.#parts.seize.focus({ preventScroll: true });
  }

  #button(key, name) {
    const button = element("button", { type: "button", class: "key" }, element("kbd", { text: SYMBOLS[key] ?? key }), element("span", { text: name }));
    button.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      if (event.isTrusted) button.setPointerCapture(event.pointerId);
      this.#press(`button ${key}`);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(end, () => this.#release(`button ${key}`));
    }
    button.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      if (!event.repeat) this.#press(`button ${key}`);
    });
    for (const end of ["keyup", "blur"]) button.addEventListener(end, () => this.#release(`button ${key}`));
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    return button;
  }

  #keyDown(event) {
    if (!this.#you || !this.#keys.has(event.key) || isTyped(event)) return;
    event.preventDefault();
    if (!event.repeat) this.#press(event.key);
  }

  #press(key) {
    this.#held = [...this.#held.filter((held) => held !== key), key];
    this.#tell();
  }

  #release(key) {
    if (!this.#held.includes(key)) return;
    this.#held = this.#held.filter((held) => held !== key);
    this.#tell();
  }

  #releaseAll() {
    if (this.#held.length === 0) return;
    this.#held = [];
    this.#tell();
  }

  #tell({ anyway = false } = {}) {
    const key = this.#held.at(-1)?.replace("button ", "");
    const action = this.#keys.get(key) ?? this.#rest;
    this.#light();
    if (!this.#you || (action === this.#told && !anyway)) return;
    this.#told = action;
    this.#send({ do: "key", lane: this.#lane, action });
  }

  #light() {
    const lit = this.#held.at(-1)?.replace("button ", "");
    for (const [key, button] of this.#buttons) button.classList.toggle("lit", key === lit);
  }
}

/** Whether a key belongs to a field that is being filled in, or to the browser. @param {KeyboardEvent} event */
export function isTyped(event) {
  const { target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return true;
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable], .ot-player") !== null;
}
