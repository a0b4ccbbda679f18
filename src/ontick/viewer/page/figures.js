// How is a number written?

const NOTHING = "–";

/** @param {number | null | undefined} value in milliseconds */
export function milliseconds(value) {
  if (value === null || value === undefined) return NOTHING;
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

/** @param {number} part @param {number} whole */
export function percent(part, whole) {
  return whole > 0 ? `${Math.round((100 * part) / whole)} %` : NOTHING;
}

/** @param {number | null | undefined} value @param {number} decimals */
export function fixed(value, decimals) {
  if (value === null || value === undefined) return NOTHING;
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** "1 tick", "3 ticks". @param {number | null} count @param {string} word */
export function counted(count, word) {
  return count === null ? NOTHING : `${count} ${word}${count === 1 ? "" : "s"}`;
}
