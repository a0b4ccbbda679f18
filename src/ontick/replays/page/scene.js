// How is a task's picture drawn? Shapes and poses in the world's own lengths, on a canvas, in the theme's colours.

/** @typedef {[number, number, number] | null} Pose x, y, angle (anticlockwise); null: not to be seen now. */
/** @typedef {{view: [number, number, number, number], still: object[], bodies: object[][]}} Picture */

const PAINTS = ["sky", "sky-low", "star", "ground", "ground-low", "ground-edge", "body", "trim", "alert", "fire", "fire-core", "mark", "ink", "faint"];
const STARS = 90;
const MOST_PIXELS_A_POINT = 3;
/** Flames have two corners at the body, about equally near; an arrow has one. */
const ARROW = 1.5;

/** A picture on a canvas: crisp at any pixel ratio; redrawn when its size or the theme changes. */
export class Scene {
  #canvas;
  #context;
  #picture;
  #poses = null;
  #paints = {};
  /** The picture without its bodies, drawn once for a size and a theme. */
  #backdrop = document.createElement("canvas");
  #stale = true;
  #scale = 1;
  #left = 0;
  #top = 0;
  #calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  #light = window.matchMedia("(prefers-color-scheme: light)");
  #sizes = new ResizeObserver(() => this.#redraw());
  #themes = new MutationObserver(() => this.#redraw());
  #redrawn = () => this.#redraw();

  /**
   * @param {HTMLCanvasElement} canvas takes the picture's shape unless the page's style gives it another
   * @param {Picture} picture
   */
  constructor(canvas, picture) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    canvas.classList.add("ot-scene");
    this.#sizes.observe(canvas);
    this.#themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.#light.addEventListener("change", this.#redrawn);
    window.addEventListener("resize", this.#redrawn);
    this.setPicture(picture);
  }

  /** @param {Picture} picture of another episode or task; nothing moves on it until poses are drawn */
  setPicture(picture) {
    this.#picture = picture;
    this.#poses = null;
    const [left, bottom, right, top] = picture.view;
    this.#canvas.style.setProperty("--ot-aspect", `${right - left} / ${top - bottom}`);
    this.#redraw();
  }

  /** @param {Pose[]} poses one a body, in the picture's order */
  draw(poses) {
    this.#poses = poses;
    this.#paint();
  }

  /** Stop following sizes and themes. */
  destroy() {
    this.#sizes.disconnect();
    this.#themes.disconnect();
    this.#light.removeEventListener("change", this.#redrawn);
    window.removeEventListener("resize", this.#redrawn);
  }

  #redraw() {
    this.#stale = true;
    this.#paint();
  }

  #paint() {
    if (this.#stale && !this.#prepare()) return;
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.#backdrop, 0, 0);
    if (this.#poses === null) return;
    this.#picture.bodies.forEach((body, number) => {
      const pose = this.#poses[number];
      if (pose) this.#body(body, pose);
    });
    for (const pose of this.#poses) if (pose) this.#markOutside(pose);
  }

  /** Fit the canvas and draw the backdrop; false where nothing is to be seen. */
  #prepare() {
    const { clientWidth, clientHeight } = this.#canvas;
    if (clientWidth === 0 || clientHeight === 0) return false;
    const ratio = Math.min(window.devicePixelRatio || 1, MOST_PIXELS_A_POINT);
    const width = Math.round(clientWidth * ratio);
    const height = Math.round(clientHeight * ratio);
    for (const canvas of [this.#canvas, this.#backdrop]) {
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
    }
    const style = getComputedStyle(this.#canvas);
    for (const paint of PAINTS) this.#paints[paint] = style.getPropertyValue(`--paint-${paint}`).trim() || "gray";
    const [left, bottom, right, top] = this.#picture.view;
    this.#scale = Math.min(width / (right - left), height / (top - bottom));
    this.#left = (width - (right - left) * this.#scale) / 2 - left * this.#scale;
    this.#top = (height - (top - bottom) * this.#scale) / 2 + top * this.#scale;
    this.#drawBackdrop(width, height);
    this.#stale = false;
    return true;
  }

  #drawBackdrop(width, height) {
    const context = this.#backdrop.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = gradient(context, height, this.#paints.sky, this.#paints["sky-low"]);
    context.fillRect(0, 0, width, height);
    const grounds = this.#picture.still.filter((shape) => shape.paint === "ground" && shape.polygon);
    if (grounds.length > 0) this.#stars(context, width, height);
    this.#toWorld(context);
    const earth = gradient(context, 0, this.#paints["ground-low"], this.#paints.ground, ...this.#spanOf(grounds));
    for (const shape of this.#picture.still) {
      this.#shape(context, shape, shape.paint === "ground" ? earth : this.#paints[shape.paint]);
      if (grounds.includes(shape)) this.#surface(context, shape.polygon);
    }
  }

  /** Bottom and top of shapes, for the ground's shading. */
  #spanOf(polygons) {
    const heights = polygons.flatMap((shape) => shape.polygon.map(([, y]) => y));
    return heights.length > 0 ? [Math.min(...heights), Math.max(...heights)] : [0, 1];
  }

  /** The ground's edge where it meets the sky, not where the picture cuts it. */
  #surface(context, points) {
    const [left, bottom, right] = this.#picture.view;
    const isCut = ([ax, ay], [bx, by]) => (ay === bottom && by === bottom) || (ax === bx && (ax === left || ax === right));
    context.beginPath();
    points.forEach((point, number) => {
      const next = points[(number + 1) % points.length];
      if (isCut(point, next)) return;
      context.moveTo(...point);
      context.lineTo(...next);
    });
    context.strokeStyle = this.#paints["ground-edge"];
    context.lineWidth = 1.5 * this.#point();
    context.stroke();
  }

  #stars(context, width, height) {
    context.fillStyle = this.#paints.star;
    let noise = 20;
    const next = () => (noise = (noise * 16807) % 2147483647) / 2147483647;
    for (let star = 0; star < STARS; star += 1) {
      const [x, y, size] = [next() * width, next() ** 1.4 * height, 0.4 + 0.8 * next() ** 3];
      context.globalAlpha = 0.25 + 0.5 * next();
      context.beginPath();
      context.arc(x, y, size * this.#point() * this.#scale, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  /** A CSS pixel in the world's lengths. */
  #point() {
    return this.#canvas.width / this.#canvas.clientWidth / this.#scale;
  }

  #toWorld(context) {
    context.setTransform(this.#scale, 0, 0, -this.#scale, this.#left, this.#top);
    context.lineCap = context.lineJoin = "round";
  }

  #body(shapes, [x, y, angle]) {
    const context = this.#context;
    this.#toWorld(context);
    context.translate(x, y);
    context.rotate(angle);
    for (const shape of shapes) {
      if (shape.paint === "fire" && shape.polygon) this.#flame(context, shape);
      else this.#shape(context, shape, this.#paints[shape.paint]);
    }
  }

  /** A flame with a bright core, longer and shorter by turns; an arrow, whose point is nearest, stays as it is. */
  #flame(context, { polygon }) {
    const [near, second] = [...polygon].sort((a, b) => Math.hypot(...a) - Math.hypot(...b));
    if (Math.hypot(...second) > ARROW * Math.hypot(...near)) return this.#shape(context, { polygon }, this.#paints.fire);
    const now = performance.now();
    const flicker = this.#calm.matches ? 1 : 1 + 0.07 * Math.sin(now / 23) + 0.06 * Math.sin(now / 37);
    const root = [0, 1].map((axis) => (near[axis] + second[axis]) / 2);
    const grown = (share) => polygon.map((point) => point.map((value, axis) => root[axis] + (value - root[axis]) * share));
    this.#shape(context, { polygon: grown(flicker) }, this.#paints.fire);
    return this.#shape(context, { polygon: grown(flicker * 0.55) }, this.#paints["fire-core"]);
  }

  #shape(context, shape, colour) {
    context.fillStyle = context.strokeStyle = colour ?? this.#paints.ink;
    if (shape.polygon || shape.line) {
      context.beginPath();
      for (const point of shape.polygon ?? shape.line) context.lineTo(...point);
      if (shape.line) context.lineWidth = Math.max(shape.width, this.#point());
      if (shape.line) return context.stroke();
      context.closePath();
      return context.fill();
    }
    if (shape.disc) {
      context.beginPath();
      context.arc(...shape.disc, shape.radius, 0, 2 * Math.PI);
      return context.fill();
    }
    return this.#label(context, shape);
  }

  #label(context, { label, at, height, align }) {
    const size = height * this.#scale;
    context.save();
    context.translate(...at);
    context.scale(1 / this.#scale, -1 / this.#scale);
    context.font = `${size}px ${getComputedStyle(this.#canvas).fontFamily}`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.fillText(label, 0, 0);
    context.restore();
  }

  /** A small arrow at the edge beyond which a body is. */
  #markOutside([x, y]) {
    const [left, bottom, right, top] = this.#picture.view;
    const at = [Math.min(Math.max(x, left), right), Math.min(Math.max(y, bottom), top)];
    if (at[0] === x && at[1] === y) return;
    const context = this.#context;
    const size = 9 * this.#point();
    this.#toWorld(context);
    context.translate(...at);
    context.rotate(Math.atan2(y - at[1], x - at[0]));
    this.#shape(context, { polygon: [[-0.4 * size, 0], [-1.6 * size, 0.8 * size], [-1.6 * size, -0.8 * size]] }, this.#paints.mark);
  }
}

/** From the first colour at one height to the second at another: of a canvas, downwards; or of the world. */
function gradient(context, height, first, second, from = 0, to = height) {
  const colours = context.createLinearGradient(0, from, 0, to);
  colours.addColorStop(0, first);
  colours.addColorStop(1, second);
  return colours;
}

/**
 * Poses between two ticks.
 *
 * One that appears is hidden until then; one that vanishes stays, and rides with a body that stood where it did, so
 * that a flame does not come off its lander.
 * @param {Pose[]} from
 * @param {Pose[]} to
 * @param {number} share 0: ``from``; 1: ``to``
 * @returns {Pose[]}
 */
export function mixPoses(from, to, share) {
  if (share >= 1) return to;
  return from.map((pose, number) => {
    if (pose === null) return null;
    const next = to[number] ?? to[from.findIndex((other, place) => to[place] && sameAs(pose, other))];
    return next ? pose.map((value, axis) => value + (next[axis] - value) * share) : pose;
  });
}

function sameAs(pose, other) {
  return other !== null && pose.every((value, axis) => value === other[axis]);
}
