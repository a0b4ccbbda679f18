"""Which command makes a run again? Rebuilt from what its record says was asked, without what the defaults say anyway.

What a kind of pilot decides itself, and what a machine adds, is left out.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from ontick.controllers.pilot import is_pilot_word
from ontick.evaluation.episodes import Setup
from ontick.evaluation.points import ALL_WAYS, EPISODES, CurveSetup
from ontick.evaluation.probe import ProbeSetup
from ontick.evaluation.ways import WAYS
from ontick.late import LateRule
from ontick.records import Json
from ontick.tasks.base import Task

_PROMPT, _MODEL = "asking.prompt", "asking.model"

_FLOWN = ("episodes", "seed", "in_flight", "requests_per_minute", "asking.chunk", "predict", "guess", "dynamics")
_ASKED = ("asking.reading", _PROMPT, _MODEL, "task_module")
_TIMED = ("clock", "late", "latency", "delay")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "eval": (*_FLOWN, *_TIMED, *_ASKED),
    "verdict": (*_FLOWN, *_TIMED, *_ASKED),
    "cliff": (*_FLOWN, "latency", *_ASKED),
    "compare": (*_FLOWN, "delay", *_ASKED),
    "probe": ("states", "questions", "base", "seed", *_ASKED),
    "demo": ("episodes", "seed"),
}
"""Which parts of what was asked are options of a verb; a part that has parts of its own stands for all of them."""

_DEMO_DEFAULTS = {"episodes": 3, "seed": 0}


def command_of(asked: Json, task: Task | None = None) -> str | None:
    """Return the command line that asks for the same, ready for a shell; None for a verb that has none.

    ``task`` tells which delays are usual in its latency curve; without it they are written out.

    Raises:
        KeyError, TypeError: this is not what a run's record says was asked.
    """
    verb = asked.get("verb")
    if verb not in _OPTIONS:
        return None
    words = ["ontick", verb]
    if verb == "compare":
        words += [asked["task"], *asked["controllers"]]
    elif verb != "demo":
        words += [asked["task"], asked["controller"]]
    for name in _OPTIONS[verb]:
        words += _options(name, _found(asked, name), _found(_defaults(verb), name), asked)
    if verb in {"cliff", "compare"} and len(asked.get("late_rules", ())) == 1:
        words += ["--late", *asked["late_rules"]]
    if verb == "cliff":
        words += _curve_options(asked, task)
    return shlex.join(map(str, words))


def _options(name: str, value: Any, default: Any, asked: Json) -> Iterator[Any]:
    if name == _PROMPT and is_pilot_word(asked.get("controller", "")):
        return  # its card says how it is asked
    if isinstance(default, Mapping):
        for part, usual in default.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _options(f"{name}.{part}", value.get(part, usual), usual, asked)
    elif value != default:
        yield f"--{name.removeprefix('asking.').replace('_', '-')}"
        yield from value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _curve_options(asked: Json, task: Task | None) -> Iterator[Any]:
    ways = tuple(asked.get("ways", ()))
    usual = None if task is None else CurveSetup(Setup("", ""), ways=ways).filled_in(task).delays_ms
    if tuple(asked["delays_ms"]) != usual:
        yield "--delays"
        yield from (f"{delay:g}" for delay in asked["delays_ms"])
    if ways:
        yield "--ways"
        yield from [ALL_WAYS] if ways == WAYS else ways


def _found(fields: Mapping[str, Any], name: str) -> Any:
    """Return what stands at a dotted name; None where an older record has nothing there."""
    found: Any = fields
    for part in name.split("."):
        found = found.get(part)
    return found


@cache
def _defaults(verb: str) -> Json:
    """Return what a verb asks for without options, as a record says it."""
    if verb == "demo":
        return _DEMO_DEFAULTS
    if verb == "probe":
        return _as_recorded(ProbeSetup("", ""))
    return _as_recorded(Setup("", "", episodes=EPISODES if verb == "cliff" else 10, late=LateRule.HOLD))


def _as_recorded(setup: Setup | ProbeSetup) -> Json:
    return json.loads(json.dumps(asdict(setup), default=str))
