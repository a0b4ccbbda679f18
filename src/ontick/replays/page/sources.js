// What is a tick's source called, and what does it mean? One letter each in a replay.

/** @typedef {{name: string, style: string, late: boolean, means: string}} Source */

/** @type {Record<string, Source>} */
export const SOURCES = {
  F: { name: "fresh", style: "ot-fresh", late: false, means: "in time" },
  P: { name: "planned", style: "ot-planned", late: false, means: "from a plan" },
  H: { name: "held", style: "ot-held", late: true, means: "late: repeated" },
  N: { name: "no-op", style: "ot-noop", late: true, means: "late: nothing done" },
};
