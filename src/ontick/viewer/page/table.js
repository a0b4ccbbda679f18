// Who has flown so far, and how well? One row a way of flying, persons among them.

import { element } from "ontick/elements.js";
import { fixed, milliseconds, percent } from "ontick/figures.js";

const COLUMNS = [
  ["Who", ({ who }) => who],
  ["Task", ({ task }) => task],
  ["Late rule", ({ late }) => ({ hold: "hold", noop: "no-op" })[late] ?? "changed"],
  ["Added delay", ({ delay_ms: ms }) => (ms === null ? "changed" : `${fixed(ms, 0)} ms`), true],
  ["Success", (row) => `${row.successes}/${row.episodes} ${row.success_name}`, true],
  ["Mean reward", ({ reward_mean: mean }) => fixed(mean, 0), true],
  ["Median ticks", ({ steps_median: median }) => fixed(median, 0), true],
  ["Decision, median", ({ decision_p50_ms: ms }) => milliseconds(ms), true],
  ["Decision, 95 %", ({ decision_p95_ms: ms }) => milliseconds(ms), true],
  ["Late ticks", ({ late_share: share }) => (share === null ? "–" : percent(share, 1)), true],
];

/** @param {object[]} rows what was flown last comes last, and is shown first */
export function showTable(rows) {
  const box = document.getElementById("rows");
  if (rows.length === 0) {
    box.replaceChildren(element("p", { class: "ot-muted", text: "Whoever finishes an episode gets a row here, you too." }));
    return;
  }
  const head = element("tr", {}, ...COLUMNS.map(([name, , isNumber]) => cell("th", name, isNumber)));
  const body = rows.toReversed().map((row) => {
    const cells = COLUMNS.map(([, valueOf, isNumber]) => cell("td", valueOf(row), isNumber));
    return element("tr", { class: row.you ? "you" : null }, ...cells);
  });
  box.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
}

function cell(tag, text, isNumber) {
  return element(tag, { class: isNumber ? "ot-number" : null, scope: tag === "th" ? "col" : null, text });
}
