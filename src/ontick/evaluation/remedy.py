"""How would a controller have to be asked to fly in spite of its latency? The cheapest way that does.

Ways of asking are flown under the virtual clock with the latencies that were recorded, one after another in the order
of what they cost: requests a second, then actions an answer, then machinery. They are first flown under the late rule
that was asked for, and if none of them flies, under the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile
from math import ceil
from pathlib import Path
from statistics import median

from ontick.clock import ns_from_s
from ontick.controllers.base import Controller
from ontick.controllers.llm import LanguageModelController
from ontick.controllers.pilot import is_pilot_word, untrained_seed
from ontick.controllers.prediction import Predict
from ontick.errors import OntickError
from ontick.evaluation.beforehand import timings
from ontick.evaluation.episodes import ClockName, Prepared, Progress, Setup, prepare, silent
from ontick.evaluation.summary import describe_usage
from ontick.evaluation.ways import Pace, Way
from ontick.late import LateRule
from ontick.models.base import LocalModel
from ontick.records import Flight, Json

FLIES_RATE = 0.9
"""The success rate from which a controller counts as flying."""

FEWEST, MOST = 20, 50
"""Episodes flown in each way: with fewer nine tenths mean little, and more take long."""

QUICK = 0.1
"""The share of a tick for which a controller may think and still be flown itself: plans multiply it."""


@dataclass(frozen=True)
class Tried:
    """One way of asking under one late rule, and how it flew."""

    way: Way
    late: LateRule
    success: int
    n: int
    """Episodes flown; fewer than were to be where too many had failed already."""
    flies: bool
    requests_per_second: float

    def as_json(self) -> Json:
        """Return what a verdict tells of it."""
        return {
            "in_flight": self.way.in_flight,
            "chunk": self.way.chunk,
            "predict": self.way.predict,
            "late": self.late,
            "requests_per_second": self.requests_per_second,
            "success": self.success,
            "n": self.n,
        }


@dataclass(frozen=True)
class Outlook:
    """What became of the ways of asking that were tried."""

    asked: Setup
    """How the controller was asked."""
    flown_by: str
    """The controller itself, or the task's teacher in its place."""
    tried: tuple[Tried, ...]
    """The last of them flies, if any does."""

    @property
    def remedy(self) -> Tried | None:
        """The cheapest that flies."""
        return self.tried[-1] if self.tried and self.tried[-1].flies else None

    def as_json(self) -> Json:
        """Return the ``remedy`` and ``tried`` of ``verdict --json``."""
        remedy = self.remedy and {
            **self.remedy.as_json(),
            "flown_by": self.flown_by,
            "options": options_for(self.remedy, self.asked),
        }
        return {"remedy": remedy, "tried": [tried.as_json() for tried in self.tried]}

    def in_words(self) -> str:
        """Say in a clause which way would fly, or that none would."""
        asked, remedy = self.asked, self.remedy
        itself = self.flown_by == asked.controller
        by = "" if itself else f" by the {self.flown_by} in its place"
        if remedy is None:
            said = (
                f"no way of asking would make it fly ({len(self.tried)} tried in simulation with these latencies{by})"
            )
            if any(tried.way.predict is not Predict.OFF for tried in self.tried):
                return said
            fit = f"`ontick train {asked.task} dynamics --to DIR` fits one, --dynamics DIR takes it"
            return f"{said}, and prediction wants a forward model: {fit}"
        counts = f"{remedy.success} of {remedy.n} in simulation with these latencies{by}"
        who = "it" if itself else "a good policy"
        options = options_for(remedy, asked)
        if not options:
            return f"yet {who} would fly as it is asked ({counts}): fly more episodes"
        rule = "" if remedy.late is asked.late else f" under --late {remedy.late}"
        slower = remedy.way.chunk > asked.asking.chunk and not itself
        proviso = ", if its plans take no longer than its answers" if slower else ""
        return f"asked otherwise {who} would fly: {remedy.way.name}{rule} ({counts}: {options}){proviso}"


def options_for(remedy: Tried, asked: Setup) -> str:
    """Return what is to be asked otherwise than it was, as the command line writes it."""
    way = remedy.way
    options = {
        "--late": (remedy.late, asked.late),
        "--in-flight": (way.in_flight, asked.in_flight),
        "--chunk": (way.chunk, asked.asking.chunk),
        "--predict": (way.predict, asked.predict),
    }
    return " ".join(f"{option} {wanted}" for option, (wanted, was) in options.items() if wanted != was)


def look_for_remedy(
    recorded: Prepared, run: Path, *, policy_fails: bool, progress: Progress = silent
) -> Outlook | None:
    """Fly one way of asking after another with the latencies recorded in the run's folder, until one flies.

    A quick controller flies itself. In the place of a language model, of a slow controller and of one whose policy
    fails anyway flies the task's teacher, a good policy; None when there is none.
    """
    setup, task = recorded.setup, recorded.task
    word = setup.controller if not policy_fails and _is_quick(recorded) else "teacher"
    if word == "teacher" and not task.has_teacher:
        return None
    episodes = min(max(setup.episodes, FEWEST), MOST)
    seed = untrained_seed(word, range(setup.seed, setup.seed + episodes)) if is_pilot_word(word) else setup.seed
    base = replace(setup, controller=word, episodes=episodes, seed=seed, clock=ClockName.VIRTUAL, delay=None)
    base = replace(base, latency=f"trace:{run}")
    singly = Way("", 1, 1, Predict.OFF)
    plain = prepare(singly.on(base), recorded if word == setup.controller else None)
    pace = Pace.of(plain.own_latencies(), ns_from_s(task.tick_s), setup.spacing)
    ways = candidates(setup, pace, plans=_answers_with_plans(recorded), pipelines=_waits(recorded))
    rules = (setup.late, *(rule for rule in LateRule if rule is not setup.late))
    tried: list[Tried] = []
    for number, (late, way) in enumerate((late, way) for late in rules for way in ways):
        progress(number, len(rules) * len(ways), f"would it fly with {way.name}?")
        try:
            ready = prepare(way.on(replace(base, late=late)), plain)
            controller = ready.dressed()
        except OntickError:
            continue  # without a forward model there is no such way
        tried.append(_try(ready, controller, way))
        if tried[-1].flies:
            break
    return Outlook(setup, word, tuple(tried))


def candidates(setup: Setup, pace: Pace, *, plans: bool = True, pipelines: bool = True) -> list[Way]:
    """Return the ways in which ``setup`` could be asked at a pace, the cheapest first; its own is among them.

    ``plans`` and ``pipelines`` say whether it can be asked for plans, and for several answers at once.
    """
    foreseeing = Predict.TARGET if setup.predict is Predict.OFF else setup.predict
    more = {*takewhile(lambda n: n < pace.slots, (2, 4, 8, 16, 32)), pace.slots} if pipelines else set[int]()
    found = {(setup.in_flight, setup.asking.chunk, setup.predict)}
    for in_flight in {1, setup.in_flight} | more:
        found |= {(in_flight, 1, predict) for predict in (Predict.OFF, foreseeing)}
        if plans:
            found.add((in_flight, pace.plan(in_flight, foreseeing), foreseeing))
    if plans:
        found.add((1, pace.plan(1, Predict.OFF), Predict.OFF))

    def cost(asked: tuple[int, int, Predict]) -> tuple[float, int, int, bool]:
        in_flight, chunk, predict = asked
        between = max(median(pace.latencies) / in_flight, pace.tick, pace.spacing)
        return 1 / between, chunk, in_flight, predict is not Predict.OFF

    return [Way(_in_words(*asked), *asked) for asked in sorted(found, key=cost)]


def _in_words(in_flight: int, chunk: int, predict: Predict) -> str:
    parts = [f"{in_flight} in flight"] if in_flight > 1 else []
    parts += [f"plans of {chunk} ticks"] if chunk > 1 else []
    if predict is Predict.OFF:
        return " and ".join(parts) or "one request at a time"
    return " with ".join([*([" and ".join(parts)] if parts else []), "prediction"])


def _try(ready: Prepared, controller: Controller, way: Way) -> Tried:
    """Fly the setup's episodes until too many have failed."""
    setup, task = ready.setup, ready.task
    may_fail = setup.episodes - ceil(FLIES_RATE * setup.episodes - 1e-9)
    flights: list[Flight] = []
    success = 0
    for seed in setup.seeds:
        flights.append(ready.fly(controller, seed))
        success += task.succeeded(flights[-1].episode)
        if len(flights) - success > may_fail:
            break
    rate = describe_usage(task, flights)["requests_per_second"]
    return Tried(way, setup.late, success, len(flights), len(flights) - success <= may_fail, rate)


def _is_quick(recorded: Prepared) -> bool:
    """Say whether a controller thinks for so short a time that it can be flown in simulated time itself."""
    if isinstance(recorded.bare, LanguageModelController):
        return False
    taken = timings(recorded.bare, recorded.env, recorded.setup.seed, recorded.task.noop, 0)
    return median(taken) <= QUICK * ns_from_s(recorded.task.tick_s)


def _answers_with_plans(recorded: Prepared) -> bool:
    """Say whether a controller can be asked for plans: a pilot that has learnt to say one action cannot."""
    if not isinstance(recorded.bare, LanguageModelController):
        return True
    return not is_pilot_word(recorded.setup.controller) and len(recorded.task.actions) <= 10


def _waits(recorded: Prepared) -> bool:
    """Say whether several answers can be under way at once: what a model on this machine computes, it does singly."""
    setup, bare = recorded.setup, recorded.bare
    computes = isinstance(bare, LanguageModelController) and isinstance(bare.model, LocalModel)
    simulated = setup.clock is ClockName.VIRTUAL and setup.latency != "measured"
    return not computes or simulated or setup.delay is not None
