// Which single keys do something on the page, and when do they not?

import { isTyped } from "ontick/hands.js";

/** Controls that keep the arrow keys or the space bar to themselves for as long as they have the focus. */
const KEEPING = "button, input[type=radio], input[type=checkbox], input[type=range]";

/** @param {Record<string, () => void>} doing by KeyboardEvent.key, letters in lower case */
export function listenToKeys(doing) {
  const allowed = document.getElementById("shortcuts");
  document.addEventListener("keydown", (event) => {
    const act = doing[event.key.toLowerCase()];
    if (!act || event.defaultPrevented || event.repeat || !allowed.checked || isTyped(event)) return;
    if (event.key === " " && event.target instanceof Element && event.target.closest("button, summary, a")) return;
    event.preventDefault();
    act();
  });
}

/** What was used with a finger or a mouse gives the keys back: who clicks "¼" while steering goes on steering. */
export function giveKeysBack() {
  document.addEventListener("pointerup", () => {
    requestAnimationFrame(() => {
      const kept = document.activeElement;
      if (kept?.matches(KEEPING) && !kept.closest("dialog, .ot-player")) kept.blur();
    });
  });
}
