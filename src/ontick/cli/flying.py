"""The verbs that fly: eval, verdict, cliff, compare, demo. Fields are the options, `run` is a call and a print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import (
    INTERRUPTED,
    Controller,
    Controllers,
    Delay,
    Delays,
    Flown,
    LatencyModel,
    OneLateRule,
    Recorded,
    Task,
    Ways,
    late_rules,
)
from ontick.cli.reporting import REPORT
from ontick.errors import OntickError
from ontick.evaluation import demo
from ontick.evaluation.cliff import fly_curve
from ontick.evaluation.compare import Comparison, compare
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.points import EPISODES, CurveSetup
from ontick.evaluation.verdict import reach_verdict
from ontick.late import LateRule
from ontick.loop import Observer
from ontick.records import Json
from ontick.report import model_tables, tables
from ontick.report.document.publish import publish
from ontick.report.films.forms import FILMS, FilmFormat, check_format
from ontick.report.live_line import LiveLine
from ontick.report.plots import plot_curves, plot_ways
from ontick.report.terminal import Bar, progress_bar, say
from ontick.report.way_tables import left_out_line, remedies_table, ways_table
from ontick.tasks import find_task

Video = Annotated[
    FilmFormat | None,
    arg(
        metavar="mp4|gif",
        help="Film every episode once all are flown, into the run's folder; a verdict's side by side.",
        help_behavior_hint="(default: none)",
    ),
]


@dataclass(frozen=True, kw_only=True)
class _Timed(Flown):
    clock: ClockName = ClockName.WALL
    """wall: real time. virtual: simulated time."""
    late: LateRule = LateRule.HOLD
    """What a tick does without a fresh action: hold the last one, or nothing."""
    latency: LatencyModel = None
    delay: Delay = None
    live: bool = False
    """Show what is flown, in a line on the terminal, while it is flown."""
    video: Video = None

    def setup(self, task: str, controller: str) -> Setup:
        """Return what these options ask for, having seen that it can be filmed if it is to be."""
        if self.video is not None:
            check_format(self.video)
        setup = super().setup(task, controller)
        return replace(setup, clock=self.clock, late=self.late, latency=self.latency, delay=self.delay)

    def watched(self, bar: Bar, setup: Setup) -> Sequence[Observer]:
        """Return who is to watch the flights: with --live, a line below the bar where there is a terminal."""
        if not self.live or not bar.is_seen:
            return ()
        line = LiveLine(find_task(setup.task, setup.task_module), setup.seeds)
        bar.put_below(line)
        return (line,)

    def filmed(self, folder: Path, *runs: Path, titles: Sequence[str] = ()) -> Json:
        """Return what the result says of films of ``runs``, left in a run's folder: nothing without --video."""
        if self.video is None:
            return {}
        from ontick.report.films.video import film

        try:
            with progress_bar("video") as progress:
                where = folder / FILMS
                module = self.task_module
                films = film(runs, self.video, to=where, titles=titles, task_module=module, progress=progress)
        except OntickError as error:
            raise OntickError(f"{error}; what was flown is kept in {folder}") from error
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"what was flown is kept and summarised in {folder}") from stop
        return {"videos": list(map(str, films))}


def _films_said(result: Json) -> list[str]:
    return [f"video: {path}" for path in result.get("videos", ())]


@dataclass(frozen=True, kw_only=True)
class Eval(_Timed):
    """Fly seeded episodes, in real time by default; metrics with confidence intervals."""

    task: Positional[Task]
    controller: Positional[Controller]

    def run(self) -> int:
        """Evaluate and print."""
        setup = self.setup(self.task, self.controller)
        folder = self.folder("eval", self.task, self.controller)
        with progress_bar(f"{self.task} {self.controller}") as bar:
            prepared = prepare(setup)
            evaluation = evaluate(prepared, folder, bar, self.watched(bar, setup))
        result = evaluation.as_json()
        if not evaluation.interrupted:
            result |= self.filmed(folder, folder)
        self.show(result, tables.evaluation_table(result), *evaluation.remarks, *_films_said(result), f"run: {folder}")
        return INTERRUPTED if evaluation.interrupted else 0


@dataclass(frozen=True, kw_only=True)
class Verdict(_Timed):
    """Time frozen against real time: does it fly, and if not, was it the policy or the latency?"""

    task: Positional[Task]
    controller: Positional[Controller]

    def run(self) -> int:
        """Judge and print."""
        setup = self.setup(self.task, self.controller)
        folder = self.folder("verdict", self.task, self.controller)
        with progress_bar(f"{self.task} {self.controller}") as bar:
            result = reach_verdict(setup, folder, bar, self.watched(bar, setup)).as_json()
        result |= self.filmed(folder, folder / "frozen", folder / "real_time", titles=("time frozen", "real time"))
        left = tables.failures_line(result["real_time"], " in real time")
        said = (*left, *_films_said(result), f"run: {folder}")
        self.show(result, tables.verdict_table([result]), result["why"], *said)
        return 0


@dataclass(frozen=True, kw_only=True)
class Cliff(Flown):
    """Latency curve: score against added delay for each late rule, and the latency that the task allows."""

    task: Positional[Task]
    controller: Positional[Controller] = "teacher"
    episodes: int = EPISODES
    """How many episodes to fly at each delay."""
    delays: Delays = ()
    late: OneLateRule = None
    latency: LatencyModel = None
    ways: Ways = ()

    def run(self) -> int:
        """Fly the curve and print."""
        base = replace(self.setup(self.task, self.controller), clock=ClockName.VIRTUAL, latency=self.latency)
        folder = self.folder("cliff", self.task, self.controller)
        with progress_bar(f"{self.task} {self.controller}") as progress:
            curve = fly_curve(CurveSetup(base, late_rules(self.late), self.delays, self.ways), folder, progress)
            picture = folder / "curve.png"
            if self.ways:
                plot_ways(curve, picture)
            else:
                plot_curves([curve], picture)
        table = ways_table(curve) if self.ways else tables.curve_table(curve)
        left_out = left_out_line(curve) if self.ways else []
        self.show(curve, table, *left_out, f"picture: {picture}", f"run: {folder}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Compare(Flown):
    """Fly several controllers on the same seeds, under both late rules: one table."""

    task: Positional[Task]
    controllers: Positional[Controllers]
    episodes: int = 10
    """How many episodes each controller flies under each late rule, and with time frozen."""
    late: OneLateRule = None
    delay: Delay = None

    def run(self) -> int:
        """Fly them all and print."""
        base = replace(self.setup(self.task, ""), delay=self.delay)
        comparison = Comparison(base, self.controllers, late_rules(self.late))
        folder = self.folder("compare", self.task)
        with progress_bar(self.task) as progress:
            result = compare(comparison, folder, progress)
        self.show(result, model_tables.comparison_table(result), f"run: {folder}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Demo(Recorded):
    """The whole story in about three minutes: both tasks, six controllers, verdicts and latency curves.

    One is a language model as it comes, another the same model with the adapter that ships with Ontick.
    """

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
        with progress_bar(REPORT) as progress:
            page = publish([folder], folder / REPORT, progress=progress)["html"]
        judged = story["verdicts"]
        said = (*demo.what_training_did(judged), f"latency curves: {picture}", f"run: {folder}", f"report: {page}")
        self.show({**story, "report": page}, tables.verdict_table(judged), *remedies_table(judged), *said)
        return 0

    def _say(self, verdict: Json) -> None:
        if not self.json:
            say(f"{verdict['task']}, {tables.controller_name(verdict)}: {verdict['why']}")
