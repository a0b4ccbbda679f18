// What makes the page one? Messages from the server go to the parts that show them, what a person does goes back.

import { Controls } from "ontick/controls.js";
import { Delay } from "ontick/delay.js";
import { say } from "ontick/elements.js";
import { Gauges } from "ontick/gauges.js";
import { Hands } from "ontick/hands.js";
import { giveKeysBack, listenToKeys } from "ontick/keys.js";
import { Link } from "ontick/link.js";
import { dropNotice, notice } from "ontick/notices.js";
import { Reaction } from "ontick/reaction.js";
import { Replays } from "ontick/replays.js";
import { Setup } from "ontick/setup.js";
import { Spoken } from "ontick/spoken.js";
import { Stage } from "ontick/stage.js";
import { showTable } from "ontick/table.js";
import { Talk } from "ontick/talk.js";

const LANES = 2;
const WORDS_EVERY_MS = 100;
const STEP_MS = 10;
const GONE = "The connection is lost and is tried again. If `ontick watch` was started anew, open the address that it printed.";
const DEFAULT_LANE = { state: "empty", note: null, you: false, talks: null };

const bench = document.getElementById("stage");
const send = (message) => link.send(message);
const set = (settings) => send({ do: "set", settings });

const setup = new Setup((settings) => send({ do: "fly", settings }), () => send({ do: "stop" }));
const delay = new Delay((delay_ms) => set({ delay_ms }));
const controls = new Controls(set);
const replays = new Replays();
const spoken = new Spoken();
const lanes = Array.from({ length: LANES }, (_, lane) => makeLane(lane));
new Reaction((ms) => send({ do: "reaction", ms }));

let tasks = new Map();
let settings = null;

const hearing = {
  hello(message) {
    tasks = new Map(message.tasks.map((task) => [task.name, task]));
    setup.offer(message);
    delay.offer(message.limits);
    say(document.getElementById("version"), `Ontick ${message.version}`);
    hearing.settings(message);
    for (const { talk } of lanes) talk.forget();
    message.lanes.forEach((lane, number) => hearing.lane({ lane: number, ...lane }));
    showTable(message.table);
  },
  settings(message) {
    settings = message.settings;
    setup.adopt(settings);
    delay.adopt(settings.delay_ms);
    controls.adopt(settings);
    for (const { stage } of lanes) stage.setSpeed(settings.speed);
    allow();
  },
  lane(message) {
    const lane = lanes[message.lane];
    lane.state = { ...DEFAULT_LANE, ...message };
    lane.stage.setLane(lane.state, settings?.controllers[message.lane]);
    lane.hands.setLane(lane.state);
    lane.talk.setLane(lane.state);
    const states = lanes.map(({ state }) => state.state);
    bench.dataset.lanes = String(countLanes());
    setup.setBusy(states.includes("flying") || states.includes("loading"));
  },
  scene(flight) {
    const { stage, gauges, hands } = lanes[flight.lane];
    stage.begin(flight);
    gauges.begin(flight);
    hands.begin(tasks.get(flight.task)?.keys ?? {}, flight);
    spoken.begin(flight, countLanes());
    allow();
  },
  tick(tick) {
    const { stage, gauges, talk } = lanes[tick.lane];
    if (tick.episode !== stage.flight?.episode) return;
    const now = performance.now();
    stage.tick(tick, now);
    gauges.tick(tick);
    talk.tick(tick);
    spoken.tick(tick, now);
  },
  ended(end) {
    const { stage } = lanes[end.lane];
    if (end.episode !== stage.flight?.episode) return;
    stage.ended(end, performance.now());
    spoken.ended(end, countLanes());
  },
  talk: (message) => lanes[message.lane].talk.hear(message),
  table: ({ rows }) => showTable(rows),
  refused: ({ why }) => notice(why, "refused"),
  pong() {},
};

const link = new Link((message) => hearing[message.say]?.(message), showLink);

listenToKeys({
  " ": () => controls.pause(),
  f: () => setup.fly(),
  s: () => controls.slower(),
  l: () => controls.otherRule(),
  t: () => lanes[0].hands.toggle(),
  ",": () => delay.step(-STEP_MS),
  ".": () => delay.step(STEP_MS),
});
giveKeysBack();
rememberTheme(document.getElementById("theme"));
requestAnimationFrame(draw);

function makeLane(lane) {
  const copy = document.getElementById("lane").content.cloneNode(true);
  const parts = partsOf(copy);
  parts.stage.dataset.lane = parts.instruments.dataset.lane = String(lane);
  document.getElementById("console").before(parts.stage);
  bench.append(parts.instruments);
  return {
    stage: new Stage(parts, (run, number) => replays.open(run, number)),
    gauges: new Gauges(parts),
    hands: new Hands(lane, parts, send),
    talk: new Talk(lane, parts, send),
    state: DEFAULT_LANE,
  };
}

/** Elements by their data-part. @param {ParentNode} root @returns {Record<string, HTMLElement>} */
function partsOf(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
}

function countLanes() {
  return lanes[1].state.state === "empty" ? 1 : 2;
}

/** What the slider was told last: it need not be told again. */
let allowed = "";

/** What the slider says is allowed is of the task that flies now, under the rule that is set now. */
function allow() {
  const task = tasks.get(lanes[0].stage.flight?.task ?? settings?.task);
  const [ms, rule] = [task?.needs_ms?.[settings?.late] ?? null, settings?.late === "noop" ? "no-op" : "hold"];
  if (!task || allowed === `${task.name} ${ms} ${rule}`) return;
  allowed = `${task.name} ${ms} ${rule}`;
  delay.allow(ms, rule, task.tick_ms);
}

let wordsAt = 0;

function draw(now) {
  const wordsToo = now - wordsAt >= WORDS_EVERY_MS;
  if (wordsToo) wordsAt = now;
  for (const { stage, gauges, talk } of lanes) {
    stage.frame(now, wordsToo);
    talk.frame(wordsToo);
    gauges.frame(stage.motion.timeMs, wordsToo);
  }
  requestAnimationFrame(draw);
}

function showLink(state, reason) {
  const words = { connecting: "Connecting…", open: "Connected", lost: "Connection lost" }[state];
  document.getElementById("link").dataset.state = state;
  say(document.getElementById("link-words"), words);
  if (state === "open") dropNotice("link");
  if (state === "lost") notice(reason ? `The server ended the connection: ${reason}. It is tried again.` : GONE, "link");
}

function rememberTheme(choice) {
  const apply = () => {
    if (choice.value) document.documentElement.dataset.theme = choice.value;
    else delete document.documentElement.dataset.theme;
  };
  choice.value = localStorage.getItem("ontick-theme") ?? "";
  choice.addEventListener("change", () => {
    localStorage.setItem("ontick-theme", choice.value);
    apply();
  });
  apply();
}
