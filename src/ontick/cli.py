"""The command line: one frozen dataclass a verb, its fields the options, its `run` one call and one print."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

import tyro
from rich.console import RenderableType
from tyro.conf import EnumChoicesFromValues, FlagCreatePairsOff, Positional, subcommand

from ontick.controllers.catalog import Asking
from ontick.errors import OntickError, blame
from ontick.evaluation import cliff, demo
from ontick.evaluation.anatomy import dissect, prepare_language_model
from ontick.evaluation.compare import Comparison, compare
from ontick.evaluation.decision_latency import QUESTIONS, LatencySetup, measure_latency
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.verdict import reach_verdict
from ontick.late import LateRule
from ontick.models.base import ModelOptions
from ontick.models.catalog import EMBEDDED
from ontick.models.inventory import prepare_models, take_inventory
from ontick.options import (
    AnswerReading,
    Controller,
    Controllers,
    Delay,
    Delays,
    LatencyModel,
    OneLateRule,
    Task,
    TaskAndController,
    TaskModule,
)
from ontick.prompts import PromptStyle
from ontick.records import Json, new_run_folder
from ontick.report import model_tables, tables
from ontick.report.plots import plot_curves
from ontick.report.terminal import progress_bar, say, say_error, say_what_takes_long, without_box

BAD_INPUT = 2
INTERRUPTED = 130


def _rules(only: LateRule | None) -> tuple[LateRule, ...]:
    return tuple(LateRule) if only is None else (only,)


@dataclass(frozen=True, kw_only=True)
class _Shown:
    json: bool = False
    """Print exactly one JSON object on stdout."""

    def show(self, result: Json, *readable: RenderableType) -> None:
        if self.json:
            print(json.dumps(result), flush=True)
        else:
            for part in readable:
                say(part)


@dataclass(frozen=True, kw_only=True)
class _Output(_Shown):
    runs: Path = Path("runs")
    """Where run folders are made."""

    def folder(self, *words: str) -> Path:
        return new_run_folder(self.runs.expanduser(), *words)


@dataclass(frozen=True, kw_only=True)
class _Questions:
    reading: AnswerReading = None
    prompt: PromptStyle = field(default_factory=PromptStyle)
    """How a language model is asked."""
    model: ModelOptions = field(default_factory=ModelOptions)
    """How a language model is loaded."""

    def asking(self) -> Asking:
        return Asking(self.prompt, self.reading, self.model)


@dataclass(frozen=True, kw_only=True)
class _Asking(_Questions, _Output):
    """Options of a verb that asks a controller and records it."""


@dataclass(frozen=True, kw_only=True)
class _Flying(_Asking):
    episodes: int = 10
    """How many episodes to fly."""
    seed: int = 0
    """The seed of the first episode; the others count up from it."""
    clock: ClockName = ClockName.WALL
    """wall: real time. virtual: simulated time."""
    late: LateRule = LateRule.HOLD
    """What a tick does without a fresh action: hold the last one, or nothing."""
    latency: LatencyModel = None
    delay: Delay = None
    in_flight: int = 1
    """How many requests may be open at once."""
    task_module: TaskModule = None

    def setup(self, task: str, controller: str) -> Setup:
        return Setup(
            task=task,
            controller=controller,
            episodes=self.episodes,
            seed=self.seed,
            clock=self.clock,
            late=self.late,
            latency=self.latency,
            delay=self.delay,
            in_flight=self.in_flight,
            asking=self.asking(),
            task_module=self.task_module,
        )


@dataclass(frozen=True, kw_only=True)
class Eval(_Flying):
    """Fly seeded episodes, in real time by default; metrics with confidence intervals."""

    task: Positional[Task]
    controller: Positional[Controller]

    def run(self) -> int:
        """Evaluate and print."""
        prepared = prepare(self.setup(self.task, self.controller))
        folder = self.folder("eval", self.task, self.controller)
        with progress_bar(f"{self.task} {self.controller}") as progress:
            evaluation = evaluate(prepared, folder, progress)
        result = evaluation.as_json()
        self.show(result, tables.evaluation_table(result), f"run: {folder}")
        return INTERRUPTED if evaluation.interrupted else 0


@dataclass(frozen=True, kw_only=True)
class Verdict(_Flying):
    """Time frozen against real time: does it fly, and if not, was it the policy or the latency?"""

    task: Positional[Task]
    controller: Positional[Controller]

    def run(self) -> int:
        """Judge and print."""
        folder = self.folder("verdict", self.task, self.controller)
        with progress_bar(f"{self.task} {self.controller}") as progress:
            result = reach_verdict(self.setup(self.task, self.controller), folder, progress).as_json()
        self.show(result, tables.verdict_table([result]), result["why"], f"run: {folder}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Cliff(_Asking):
    """Latency curve: score against added delay for each late rule, and the latency that the task allows."""

    task: Positional[Task]
    controller: Positional[Controller] = "teacher"
    episodes: int = cliff.EPISODES
    """How many episodes to fly at each delay."""
    seed: int = 0
    """The seed of the first episode; the others count up from it."""
    delays: Delays = ()
    late: OneLateRule = None
    latency: LatencyModel = None
    in_flight: int = 1
    """How many requests may be open at once."""
    task_module: TaskModule = None

    def run(self) -> int:
        """Fly the curve and print."""
        base = Setup(
            task=self.task,
            controller=self.controller,
            episodes=self.episodes,
            seed=self.seed,
            clock=ClockName.VIRTUAL,
            latency=self.latency,
            in_flight=self.in_flight,
            asking=self.asking(),
            task_module=self.task_module,
        )
        folder = self.folder("cliff", self.task, self.controller)
        with progress_bar(f"{self.task} {self.controller}") as progress:
            curve = cliff.fly_curve(cliff.CurveSetup(base, _rules(self.late), self.delays), folder, progress)
        picture = folder / "curve.png"
        plot_curves([curve], picture)
        self.show(curve, tables.curve_table(curve), f"picture: {picture}", f"run: {folder}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Compare(_Asking):
    """Fly several controllers on the same seeds, under both late rules: one table."""

    task: Positional[Task]
    controllers: Positional[Controllers]
    episodes: int = 10
    """How many episodes each controller flies under each late rule, and with time frozen."""
    seed: int = 0
    """The seed of the first episode; the others count up from it."""
    late: OneLateRule = None
    delay: Delay = None
    in_flight: int = 1
    """How many requests may be open at once."""
    task_module: TaskModule = None

    def run(self) -> int:
        """Fly them all and print."""
        base = Setup(
            task=self.task,
            controller="",
            episodes=self.episodes,
            seed=self.seed,
            delay=self.delay,
            in_flight=self.in_flight,
            asking=self.asking(),
            task_module=self.task_module,
        )
        comparison = Comparison(base, self.controllers, _rules(self.late))
        folder = self.folder("compare", self.task)
        with progress_bar(self.task) as progress:
            result = compare(comparison, folder, progress)
        self.show(result, model_tables.comparison_table(result), f"run: {folder}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Prompt(_Asking):
    """Print exactly what a language model is sent, and how many of its tokens are new at a decision."""

    task: Positional[Task]
    controller: Positional[Controller] = EMBEDDED
    seed: int = 0
    """The episode whose first state is shown."""
    task_module: TaskModule = None

    def run(self) -> int:
        """Take the prompt apart and print."""
        setup = Setup(self.task, self.controller, seed=self.seed, asking=self.asking(), task_module=self.task_module)
        result = dissect(prepare_language_model(setup), self.seed).as_json()
        sent = result["text"] or json.dumps(result["messages"], indent=2)
        self.show(result, sent, model_tables.prompt_table(result))
        return 0


@dataclass(frozen=True, kw_only=True)
class Models(_Output):
    """List what is installed; with names, prepare GGUF files in the quantisation that is fastest here."""

    words: Positional[tuple[str, ...]] = ()
    """smollm2 or gguf:PATH; use what is made of them with --model.quantisation fastest."""
    model: ModelOptions = field(default_factory=ModelOptions)
    """How a language model is loaded."""

    def run(self) -> int:
        """Look, or prepare, and print."""
        result = prepare_models(self.words, self.model) if self.words else take_inventory(self.model)
        readable = (model_tables.models_table(result), model_tables.times(result), model_tables.backends_table(result))
        self.show(result, *readable)
        return 0


@dataclass(frozen=True, kw_only=True)
class Latency(_Questions, _Shown):
    """How fast a controller answers: time to first token, end to end; for an API the connection too."""

    words: Positional[TaskAndController]
    n: int = QUESTIONS
    """How many questions to ask."""
    seed: int = 0
    """The seed of the flight whose states are asked about."""
    task_module: TaskModule = None

    def run(self) -> int:
        """Measure and print."""
        if not 1 <= len(self.words) <= 2:
            raise OntickError("ontick latency takes a CONTROLLER, or a TASK and a CONTROLLER; give one or both")
        task, controller = ("cartpole", *self.words)[-2:]
        setup = LatencySetup(task, controller, self.n, self.seed, self.asking(), self.task_module)
        with progress_bar(f"{task} {controller}") as progress:
            result = measure_latency(setup, progress)
        self.show(result, model_tables.latency_table(result), *([result["why"]] if result["why"] else []))
        return 0


@dataclass(frozen=True, kw_only=True)
class Demo(_Output):
    """The whole story in about two minutes: both tasks, five controllers, verdicts and latency curves."""

    episodes: int = 3
    """How many episodes each controller flies."""
    seed: int = 0
    """The seed of the first episode; the others count up from it."""

    def run(self) -> int:
        """Fly the story and print."""
        folder = self.folder("demo")
        with progress_bar("demo") as progress:
            story = demo.tell(folder, episodes=self.episodes, seed=self.seed, progress=progress, on_verdict=self._say)
        picture = folder / "latency_curves.png"
        plot_curves(story["curves"], picture, story["verdicts"])
        self.show(story, tables.verdict_table(story["verdicts"]), f"latency curves: {picture}", f"run: {folder}")
        return 0

    def _say(self, verdict: Json) -> None:
        if not self.json:
            say(f"{verdict['task']}, {tables.controller_name(verdict)}: {verdict['why']}")


VERBS = frozenset({"demo", "eval", "verdict", "cliff", "compare", "latency", "prompt", "models"})

Command = (
    Annotated[Demo, subcommand("demo")]
    | Annotated[Eval, subcommand("eval")]
    | Annotated[Verdict, subcommand("verdict")]
    | Annotated[Cliff, subcommand("cliff")]
    | Annotated[Compare, subcommand("compare")]
    | Annotated[Prompt, subcommand("prompt")]
    | Annotated[Models, subcommand("models")]
    | Annotated[Latency, subcommand("latency")]
)

Verb: TypeAlias = Demo | Eval | Verdict | Cliff | Compare | Latency | Prompt | Models

DESCRIPTION = "Can this language model control this environment in real time? If not: the policy or the latency?"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit status: 0, 2 for a mistake in what was asked, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    say_what_takes_long()
    try:
        return _parse(arguments).run()
    except OntickError as error:
        if os.environ.get("ONTICK_DEBUG"):
            raise
        say_error(str(error))
        return BAD_INPUT
    except KeyboardInterrupt as stop:
        say_error(f"stopped; {stop}" if str(stop) else "stopped")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read stdout has gone; nothing more can be said there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("ONTICK_DEBUG"):
            raise
        say_error(blame(error))
        return BAD_INPUT


def _parse(arguments: Sequence[str]) -> Verb:
    """Read the command line; a mistake in it becomes an `OntickError` instead of tyro's box."""
    parse: Callable[..., Verb] = tyro.cli
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return parse(
                Command,
                args=arguments,
                prog="ontick",
                description=DESCRIPTION,
                config=(FlagCreatePairsOff, EnumChoicesFromValues),
            )
    except SystemExit as exit_:
        if exit_.code in (None, 0):
            raise
        raise OntickError(f"{without_box(box.getvalue())}; see: ontick {_verb(arguments)}--help") from None


def _verb(arguments: Sequence[str]) -> str:
    return f"{arguments[0]} " if arguments and arguments[0] in VERBS else ""
