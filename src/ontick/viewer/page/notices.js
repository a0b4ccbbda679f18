// What went wrong that the person at the page should know? One calm line each, which can be put away.

import { element } from "ontick/elements.js";

const MOST = 3;

/** @param {string} why @param {string} [key] notices with the same key replace each other */
export function notice(why, key = why) {
  const box = document.getElementById("notices");
  const dismiss = element("button", { type: "button", text: "OK" });
  const line = element("p", { class: "notice", "data-key": key }, element("span", { text: why }), dismiss);
  dismiss.addEventListener("click", () => line.remove());
  dropNotice(key);
  box.append(line);
  while (box.children.length > MOST) box.firstElementChild.remove();
}

/** @param {string} key */
export function dropNotice(key) {
  for (const line of [...document.getElementById("notices").children]) if (line.dataset.key === key) line.remove();
}
