// Which single keys do something on the page, and when do they not?

import { isTyped } from "ontick/hands.js";

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
