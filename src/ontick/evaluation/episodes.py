"""How does a controller fly N seeded episodes, and where is that written?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from time import sleep
from typing import TypeAlias

from ontick.clock import NS_PER_S, Nanoseconds, ns_from_s
from ontick.controllers.base import Controller
from ontick.controllers.catalog import Asking, make_controller
from ontick.controllers.chunks import planning
from ontick.controllers.llm import Informed, LanguageModelController
from ontick.controllers.pending import awareness_of
from ontick.controllers.pilot import check_untrained, is_pilot_word, one_action_only
from ontick.controllers.prediction import Predict
from ontick.controllers.wrappers import Delayed
from ontick.dead_time import Aim, Awareness, DeadTime
from ontick.errors import OntickError
from ontick.evaluation.beforehand import draws, timings
from ontick.evaluation.foresight import Foresight, episode_ticks
from ontick.evaluation.suited import check_alone, remarks
from ontick.evaluation.summary import summarise
from ontick.forward import ForwardModel, find_forward_model
from ontick.late import LateRule
from ontick.latency import Constant, LatencyModel, Measured, parse_latency, quantile_ms
from ontick.loop import Interrupted, Observer, Time, VirtualTime, WallTime, fly
from ontick.prompts import Prompt
from ontick.records import Flight, Json, RunWriter, episode_to_json, read_run
from ontick.tasks import find_task
from ontick.tasks.base import Environment, Task

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with how many of how many are done, and what was done last."""


NO_ONE = "none"
"""--guess: no one guesses."""

MOST_IN_FLIGHT = 64
"""More open requests than any line answers usefully; each is a thread in real time."""


def check_in_flight(in_flight: int) -> None:
    """Refuse a number of open requests that means nothing.

    Raises:
        OntickError: it is below one or above `MOST_IN_FLIGHT`.
    """
    if not 1 <= in_flight <= MOST_IN_FLIGHT:
        raise OntickError(f"--in-flight {in_flight} cannot be; give 1 to {MOST_IN_FLIGHT}")


def silent(done: int, total: int, what: str) -> None:
    """Show no progress."""


class ClockName(StrEnum):
    """Which of the two clocks."""

    WALL = "wall"
    VIRTUAL = "virtual"


@dataclass(frozen=True)
class Setup:
    """Everything that decides how episodes are flown: what a run's record says was asked."""

    task: str
    controller: str
    episodes: int = 10
    seed: int = 0
    """Episodes fly the seeds ``seed`` … ``seed + episodes - 1``."""
    clock: ClockName = ClockName.WALL
    late: LateRule = LateRule.HOLD
    latency: str | None = None
    """Under the virtual clock: what an answer takes; default 0, time frozen."""
    delay: str | None = None
    """Added to the controller's own latency, under either clock."""
    in_flight: int = 1
    requests_per_minute: float | None = None
    """No more than so many, evenly spread."""
    predict: Predict = Predict.OFF
    guess: str | None = None
    """The controller that guesses what requests under way will be answered with; None: the task's teacher."""
    dynamics: Path | None = None
    """A fitted forward model's folder; None: the task's own."""
    asking: Asking = field(default_factory=Asking)
    """How a language model is loaded and asked."""
    task_module: str | None = None

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            OntickError: with the first one found.
        """
        if self.episodes < 1:
            raise OntickError(f"--episodes {self.episodes} flies nothing; give 1 or more")
        if self.seed < 0:
            raise OntickError(f"--seed {self.seed} is no seed; give 0 or more")
        check_in_flight(self.in_flight)
        per_minute = self.requests_per_minute
        if per_minute is not None and not 0 < per_minute < math.inf:
            raise OntickError(f"--requests-per-minute {per_minute:g} cannot be; give the line's limit, such as 30")
        price = self.asking.model.price
        if price is not None and not all(0 <= dollars < math.inf for dollars in price):
            raise OntickError(
                "--model.price is dollars for a million tokens read and written; write --model.price 0.05 0.08"
            )
        if self.delay == "measured":
            raise OntickError("--delay adds to what is measured anyway; give a number or lognormal:150,0.25")
        if self.latency is not None and self.clock is ClockName.WALL:
            raise OntickError(
                "--latency is for simulated time; add --clock virtual, or use --delay to slow a real controller down"
            )

    @property
    def spacing(self) -> Nanoseconds:
        """How far apart the rate of requests keeps their starts."""
        return 0 if self.requests_per_minute is None else ns_from_s(60 / self.requests_per_minute)

    @property
    def seeds(self) -> range:
        """The seeds flown, in order."""
        return range(self.seed, self.seed + self.episodes)

    def as_json(self) -> Json:
        """Return what the record says of it."""
        dynamics = None if self.dynamics is None else str(self.dynamics)
        return {**asdict(self), "dynamics": dynamics, "seeds": list(self.seeds)}


@dataclass(frozen=True)
class Prepared:
    """A setup whose task, environment and controller have been found and loaded, so that flying can begin."""

    setup: Setup
    task: Task
    env: Environment
    bare: Controller
    """As it was loaded."""
    controller: Controller
    """Answering with plans, where the setup wants any; without the setup's delay and prediction."""
    time: Time
    delay: LatencyModel | None
    foresight: Foresight | None
    """What prediction needs; None: it is off."""

    def with_time_frozen(self) -> Prepared:
        """Return the same with no latency and no delay under the virtual clock: ordinary synchronous Gymnasium."""
        setup = replace(self.setup, clock=ClockName.VIRTUAL, latency="0", delay=None, requests_per_minute=None)
        foresight = self.foresight and replace(self.foresight, own=[0])
        return replace(self, setup=setup, time=VirtualTime(Constant(0)), delay=None, foresight=foresight)

    def dressed(self, delay: LatencyModel | None = None) -> Controller:
        """Return the controller with prediction, and with ``delay`` in place of the setup's."""
        delay = delay or self.delay
        controller = self.controller
        if self.foresight is not None:
            controller = self.foresight.around(controller, delay)
        return controller if delay is None else Delayed(controller, delay)

    def own_latencies(self) -> list[Nanoseconds]:
        """Return what answers take without the delay that is added: drawn from a latency model, or else timed."""
        if isinstance(self.time, VirtualTime) and not isinstance(self.time.latency, Measured):
            return draws(self.time.latency)
        return timings(self.controller, self.env, self.setup.seed, self.task.noop, self.setup.spacing)

    def fly(self, controller: Controller, seed: int, observers: Sequence[Observer] = ()) -> Flight:
        """Fly one episode with a dressed controller; ``observers`` are told of every tick."""
        setup = self.setup
        return fly(
            self.task,
            self.env,
            controller,
            self.time,
            late=setup.late,
            seed=seed,
            in_flight=setup.in_flight,
            spacing=setup.spacing,
            observers=observers,
        )


def prepare(setup: Setup, like: Prepared | None = None) -> Prepared:
    """Load everything that ``setup`` names and try it once, so that what is wrong shows before anything is written.

    What ``like`` has loaded for the same task and controller, asked in another way, is used again.

    Raises:
        OntickError: something it names is unknown, missing or malformed, or does not fit together.
    """
    setup.check()
    task = find_task(setup.task, setup.task_module) if like is None else like.task
    time = _time(setup, like)
    delay = None if setup.delay is None else parse_latency(setup.delay)
    predicts = setup.predict is not Predict.OFF
    forward = find_forward_model(task, setup.dynamics) if predicts or setup.dynamics is not None else None
    env = task.make() if like is None else like.env
    if is_pilot_word(setup.controller):
        check_untrained(setup.controller, setup.seeds)
    if setup.asking.prompt.pending and not is_pilot_word(setup.controller):
        setup = replace(setup, asking=replace(setup.asking, aware=_untrained(setup, time, delay)))
    bare = make_controller(setup.controller, task, setup.asking) if like is None else _asked_for(setup, like)
    check_alone(setup.controller, bare, setup.predict, setup.asking.chunk)
    controller = planning(bare, task, setup.asking.chunk, forward)
    if isinstance(controller, LanguageModelController):  # a pilot is asked as it was trained
        setup = replace(setup, asking=replace(setup.asking, prompt=controller.prompt.style))
    observation, _ = env.reset(seed=setup.seed)
    if len(observation) != len(task.features):
        raise OntickError(
            f"task {task.name!r} names {len(task.features)} features, but {task.env_id} observes {len(observation)}; "
            "name those"
        )
    env.step(task.noop)
    controller.reset(setup.seed)
    prepared = Prepared(setup, task, env, bare, controller, time, delay, None)
    if forward is None or not predicts:
        return prepared
    stand_in, own = _stand_in(setup, task, forward, controller), prepared.own_latencies()
    foresight = Foresight(task, forward, setup.predict, setup.late, own, episode_ticks(env), stand_in)
    return replace(prepared, foresight=foresight)


def _untrained(setup: Setup, time: Time, delay: LatencyModel | None) -> Awareness:
    """Return what a model is shown that no card tells of: its answers act on arrival, as far as that is known."""
    own = quantile_ms(time.latency, 0.5) if isinstance(time, VirtualTime) else None
    added = None if delay is None else quantile_ms(delay, 0.5)
    typical_ms = (own or 0.0) + (added or 0.0)
    said = setup.latency or setup.delay or "measured"
    dead_time = DeadTime(said, setup.in_flight, setup.late, Aim.ARRIVAL, typical_ms, typical_ms)
    return Awareness(dead_time, setup.asking.prompt.pending, memory=False)


def _time(setup: Setup, like: Prepared | None) -> Time:
    if like is not None and (like.setup.clock, like.setup.latency) == (setup.clock, setup.latency):
        return like.time
    if setup.clock is ClockName.WALL:
        return WallTime()
    return VirtualTime(parse_latency("0" if setup.latency is None else setup.latency))


def _asked_for(setup: Setup, like: Prepared) -> Controller:
    """Return the controller that ``like`` has loaded; a language model answers with plans as long as are wanted."""
    bare, chunk = like.bare, setup.asking.chunk
    if not isinstance(bare, LanguageModelController) or bare.prompt.chunk == chunk:
        return bare
    if is_pilot_word(setup.controller):
        raise one_action_only(setup.controller, chunk)
    prompt = Prompt(bare.prompt.task, bare.prompt.style, chunk)
    return LanguageModelController(bare.model, prompt, bare.reading)


def _stand_in(setup: Setup, task: Task, forward: ForwardModel, controller: Controller) -> Controller | None:
    """Return who guesses the answers that are under way, knowing what ``controller`` is told."""
    word = setup.guess or ("teacher" if task.has_teacher else NO_ONE)
    if word == NO_ONE:
        return None
    stand_in = planning(make_controller(word, task), task, setup.asking.chunk, forward)
    return Informed(stand_in, controller.prompt) if isinstance(controller, LanguageModelController) else stand_in


@dataclass(frozen=True)
class Evaluation:
    """What was flown and what it comes to."""

    setup: Setup
    flights: tuple[Flight, ...]
    summary: Json
    run: Path
    interrupted: bool
    remarks: tuple[str, ...] = ()
    """In which ways the controller is not flown as it was trained, a sentence each."""

    def as_json(self) -> Json:
        """Return the object that ``eval --json`` prints."""
        setup = self.setup
        return {
            "task": setup.task,
            "controller": setup.controller,
            "clock": setup.clock,
            "late": setup.late,
            "latency": setup.latency,
            "delay": setup.delay,
            "in_flight": setup.in_flight,
            "requests_per_minute": setup.requests_per_minute,
            "chunk": setup.asking.chunk,
            "predict": setup.predict,
            "episodes": [episode_to_json(flight.episode) for flight in self.flights],
            "summary": self.summary,
            "remarks": list(self.remarks),
            "run": str(self.run),
            **({"interrupted": True} if self.interrupted else {}),
        }


def evaluate(
    prepared: Prepared, run: Path, progress: Progress = silent, observers: Sequence[Observer] = ()
) -> Evaluation:
    """Fly every episode of a prepared setup and record it in the folder ``run``; ``observers`` see every tick.

    Ctrl-C ends it early: what was flown is kept and summarised, and the result says so.

    Raises:
        OntickError: the folder cannot be written, or the controller failed.
    """
    setup, task, controller = prepared.setup, prepared.task, prepared.dressed()
    writer = RunWriter(run, {"verb": "eval", **setup.as_json()})
    flights: list[Flight] = []
    interrupted = False
    progress(0, setup.episodes, "")
    try:
        for number, seed in enumerate(setup.seeds, start=1):
            if setup.spacing and setup.clock is ClockName.WALL:
                sleep(setup.spacing / NS_PER_S)  # the last request may have been just now
            flight = prepared.fly(controller, seed, observers)
            writer.append(flight)
            flights.append(flight)
            progress(number, setup.episodes, f"{flight.episode.outcome} after {flight.episode.steps} steps")
    except Interrupted as stopped:
        interrupted = True
        if stopped.flight.ticks:
            writer.append(stopped.flight)
    except KeyboardInterrupt:
        interrupted = True
    if interrupted:
        flights = list(read_run(run).flights())  # the record knows best how far it came
    summary = summarise(task, flights, setup.asking.model.price)
    if interrupted:
        summary["interrupted"] = True
    writer.finish(summary)
    said = remarks(awareness_of(prepared.controller), setup.in_flight, setup.late, task, summary["decision_ms"])
    return Evaluation(setup, tuple(flights), summary, run, interrupted, tuple(said))


def whole(evaluation: Evaluation) -> Evaluation:
    """Pass a finished evaluation on; a judgement of half of one would mislead.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    if evaluation.interrupted:
        raise KeyboardInterrupt
    return evaluation
