"""Which options do several verbs share, and in which words are they written?"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from rich.console import RenderableType
from tyro.conf import arg

from ontick.controllers.catalog import Asking
from ontick.controllers.prediction import Predict
from ontick.dead_time import Aim
from ontick.evaluation.episodes import Setup
from ontick.late import LateRule
from ontick.models.base import ModelOptions, Reading
from ontick.prompts import PromptStyle
from ontick.records import Json, new_run_folder
from ontick.report.terminal import say

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

Task = Annotated[str, arg(metavar="TASK", help="cartpole, lunarlander, or a task of --task-module")]
Controller = Annotated[
    str,
    arg(
        metavar="CONTROLLER",
        help="teacher, none, random, smollm2, gguf:PATH, hf:PATH_OR_HUB_ID, pilot:PATH, mlp:PATH, api:PRESET/MODEL, "
        "api:URL#MODEL or python:FILE.py:NAME",
    ),
]
TaskAndController = Annotated[
    tuple[str, ...],
    arg(metavar="[TASK] CONTROLLER", help="What to ask, on which task's states; the task is cartpole unless given."),
]
_FORMS = "0, 40 (ms), lognormal:150,0.25 (median ms, sigma), trace:FILE"
LatencyModel = Annotated[
    str | None,
    arg(
        metavar="MODEL",
        help=f"What an answer takes in simulated time: {_FORMS} or measured.",
        help_behavior_hint="(default: 0)",
    ),
]
Delay = Annotated[
    str | None,
    arg(
        metavar="MODEL", help=f"Added to the controller's own latency: {_FORMS}.", help_behavior_hint="(default: none)"
    ),
]
TaskModule = Annotated[
    str | None,
    arg(
        metavar="FILE",
        help="A Python file or module that defines tasks of your own.",
        help_behavior_hint="(default: none)",
    ),
]
AnswerReading = Annotated[
    Reading | None,
    arg(
        help="score: compare the actions' tokens. generate: let the model write.",
        help_behavior_hint="(default: score; api: generate)",
    ),
]
Delays = Annotated[
    tuple[float, ...],
    arg(
        metavar="MS ...",
        help="Delays in milliseconds, the first 0.",
        help_behavior_hint="(default: 0 to 15 ticks, with --ways 0 to 30)",
    ),
]
Controllers = Annotated[
    tuple[str, ...], arg(metavar="CONTROLLER ...", help="As for eval; several of them, with blanks between.")
]
Questions = Annotated[
    str,
    arg(
        metavar="all|few|none|FILE|all+FILE",
        help="Which ordinary questions a language model is asked; a FILE has one a line.",
    ),
]
BaseModel = Annotated[
    str | None,
    arg(
        metavar="MODEL",
        help="The model to compare its answers with.",
        help_behavior_hint="(default: a pilot's base, or the weights below --model.adapter)",
    ),
]
RequestsPerMinute = Annotated[
    float | None,
    arg(
        metavar="N",
        help="Ask no more often than a line allows, evenly spread.",
        help_behavior_hint="(default: no limit)",
    ),
]
Guess = Annotated[
    str | None,
    arg(
        metavar="CONTROLLER",
        help="--predict: who guesses what requests under way will be answered with; none: no one.",
        help_behavior_hint="(default: the task's teacher)",
    ),
]
Chunk = Annotated[int, arg(metavar="K", help="For how many ticks each answer has an action: a plan, from one prompt.")]
Ways = Annotated[
    tuple[str, ...],
    arg(
        metavar="all|WAY ...",
        help="Compare ways of asking, in one picture: serial, pipelined, chunked, serial+predict, pipelined+predict, "
        "chunked+predict, or all of them.",
        help_behavior_hint="(default: only as the other options say)",
    ),
]
Dynamics = Annotated[
    Path | None,
    arg(
        metavar="DIR",
        help="--predict and --chunk: a forward model that `ontick train TASK dynamics` fitted.",
        help_behavior_hint="(default: the task's own)",
    ),
]
OneLateRule = Annotated[LateRule | None, arg(help="Only this late rule.", help_behavior_hint="(default: both)")]


def late_rules(only: LateRule | None) -> tuple[LateRule, ...]:
    """Return the rules that a verb compares."""
    return tuple(LateRule) if only is None else (only,)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Options of every verb."""

    json: bool = False
    """Print exactly one JSON object on stdout."""

    def show(self, result: Json, *readable: RenderableType) -> None:
        """Print the object, or what a person reads of it."""
        if self.json:
            print(json.dumps(result), flush=True)
        else:
            for part in readable:
                say(part)


@dataclass(frozen=True, kw_only=True)
class Recorded(Shown):
    """Options of a verb that leaves a run's folder."""

    runs: Path = Path("runs")
    """Where run folders are made."""

    def folder(self, *words: str) -> Path:
        """Return the folder of this run, which does not exist yet."""
        return new_run_folder(self.runs.expanduser(), *words)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Options of a verb that may ask a language model."""

    seed: int = 0
    """The seed of the first episode; the others count up from it."""
    task_module: TaskModule = None
    reading: AnswerReading = None
    prompt: PromptStyle = field(default_factory=PromptStyle)
    """How a language model is asked."""
    model: ModelOptions = field(default_factory=ModelOptions)
    """How a language model is loaded."""

    def asking(self) -> Asking:
        """Return how a language model is loaded and asked."""
        return Asking(self.prompt, self.reading, self.model)


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """Options of a verb by which a policy learns to be late."""

    latency: Annotated[
        str | None,
        arg(
            metavar="MODEL",
            help=f"Learn for answers that take so long: {_FORMS}.",
            help_behavior_hint="(default: none, time is frozen)",
        ),
    ] = None
    in_flight: int = 1
    """--latency: how many requests may be open at once."""
    late: LateRule = LateRule.HOLD
    """--latency: what a tick does without a fresh action."""
    aim: Annotated[
        Aim | None,
        arg(
            help="--latency: an answer acts when it comes (arrival), or waits for the latency's p99, so that the "
            "delay is constant (target).",
            help_behavior_hint="(default: hold: arrival; noop: target)",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Posed(Asked):
    """Options of a verb that says in which way a controller is asked."""

    in_flight: int = 1
    """How many requests may be open at once."""
    requests_per_minute: RequestsPerMinute = None
    chunk: Chunk = 1
    predict: Predict = Predict.OFF
    """Show the controller the state in which its answer will land: by the median of the latencies so far (estimate),
    or by their p95, the answer waiting until then (target)."""
    guess: Guess = None
    dynamics: Dynamics = None

    def setup(self, task: str, controller: str) -> Setup:
        """Return what these options ask for."""
        return Setup(
            task=task,
            controller=controller,
            seed=self.seed,
            in_flight=self.in_flight,
            requests_per_minute=self.requests_per_minute,
            predict=self.predict,
            guess=self.guess,
            dynamics=self.dynamics and self.dynamics.expanduser(),
            asking=replace(self.asking(), chunk=self.chunk),
            task_module=self.task_module,
        )


@dataclass(frozen=True, kw_only=True)
class Flown(Posed, Recorded):
    """Options of a verb that flies episodes."""

    episodes: int = 10
    """How many episodes to fly."""

    def setup(self, task: str, controller: str) -> Setup:
        """Return what these options ask for."""
        return replace(super().setup(task, controller), episodes=self.episodes)
