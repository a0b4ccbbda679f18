// How slow were the decisions of the last seconds against the tick, and where did each tick's action come from?

const SHOWN_MS = 6000;
const LEAST_MS = 1;
const MOST_MS = 1000;
const LINES_MS = [1, 10, 100, 1000];
const RIBBON = 12;
const LEFT = 46;
const TOP = 8;
/** How much of the ribbon's height each source fills, for eyes that see no hue. */
const HEIGHTS = { fresh: 1, planned: 0.75, held: 0.5, noop: 0.28 };
const COLOURS = ["fresh", "planned", "held", "noop", "line", "muted", "text", "surface"];

/** A chart on a canvas: time to the right, latency upwards on a logarithmic scale, the tick as a line. */
export class Strip {
  #canvas;
  #context;
  #tickMs = 20;
  #ticks = [];
  #answers = [];
  #newestAnswer = null;
  #colours = {};

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
  }

  begin(tickMs) {
    this.#tickMs = tickMs;
    this.#ticks = [];
    this.#answers = [];
    this.#newestAnswer = null;
  }

  tick({ time_ms: timeMs, source, answer }) {
    this.#ticks.push({ timeMs, source });
    if (answer && answer.tick !== this.#newestAnswer) {
      this.#newestAnswer = answer.tick;
      this.#answers.push({ timeMs, latencyMs: answer.latency_ms, valid: answer.valid });
    }
    for (const kept of [this.#ticks, this.#answers]) while (kept[0]?.timeMs < timeMs - SHOWN_MS - 500) kept.shift();
  }

  /** @param {number | null} nowMs the flight's time at the right edge */
  draw(nowMs) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    this.#fit(Math.round(width * ratio), Math.round(height * ratio));
    const style = getComputedStyle(this.#canvas);
    for (const name of COLOURS) this.#colours[name] = style.getPropertyValue(`--${name}`);
    const context = this.#context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `11px ${style.fontFamily}`;
    const floor = height - RIBBON - 8;
    const heightOf = (ms) => floor - (floor - TOP) * (Math.log(clamp(ms) / LEAST_MS) / Math.log(MOST_MS / LEAST_MS));
    const placeOf = (timeMs) => width - ((nowMs - timeMs) / SHOWN_MS) * (width - LEFT);
    this.#scale(width, heightOf);
    if (nowMs === null) return;
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, width - LEFT, height);
    context.clip();
    this.#latencies(placeOf, heightOf);
    this.#ribbon(placeOf, height, ((width - LEFT) * this.#tickMs) / SHOWN_MS);
    context.restore();
  }

  #fit(width, height) {
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
  }

  #scale(width, heightOf) {
    const context = this.#context;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const ms of LINES_MS) {
      context.fillStyle = this.#colours.line;
      context.fillRect(LEFT, Math.round(heightOf(ms)), width - LEFT, 1);
      context.fillStyle = this.#colours.muted;
      context.fillText(ms < 1000 ? `${ms} ms` : "1 s", LEFT - 5, heightOf(ms));
    }
    const y = Math.round(heightOf(this.#tickMs)) + 0.5;
    context.strokeStyle = this.#colours.text;
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(LEFT, y);
    context.lineTo(width, y);
    context.stroke();
    context.setLineDash([]);
    context.textAlign = "left";
    context.textBaseline = "bottom";
    context.fillStyle = this.#colours.text;
    context.fillText(`tick ${this.#tickMs.toFixed(0)} ms`, LEFT + 4, y - 2);
  }

  #latencies(placeOf, heightOf) {
    const context = this.#context;
    for (const { timeMs, latencyMs, valid } of this.#answers) {
      const [x, y] = [placeOf(timeMs), heightOf(latencyMs)];
      context.fillStyle = context.strokeStyle = latencyMs <= this.#tickMs ? this.#colours.fresh : this.#colours.held;
      context.beginPath();
      context.arc(x, y, 2.2, 0, 2 * Math.PI);
      if (valid) context.fill();
      else context.stroke();
    }
  }

  #ribbon(placeOf, height, tickWide) {
    for (const { timeMs, source } of this.#ticks) {
      const high = RIBBON * HEIGHTS[source];
      this.#context.fillStyle = this.#colours[source];
      const [from, to] = [Math.round(placeOf(timeMs) - tickWide), Math.round(placeOf(timeMs))];
      this.#context.fillRect(from, height - high, Math.max(1, to - from), high);
    }
  }
}

function clamp(ms) {
  return Math.min(MOST_MS, Math.max(LEAST_MS, ms));
}
