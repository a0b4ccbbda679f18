"""The verb that lets a pilot learn from its own mistakes: dagger. Its fields are the options."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import Learnt, Shown, Task, TaskModule
from ontick.learning.balance import Balance
from ontick.learning.dagger import DaggerSetup, Labels, dagger
from ontick.learning.learner import Start
from ontick.learning.sft.settings import KeepChanges
from ontick.pilots.find import find_pilot
from ontick.report.dagger_tables import corrections_table, rounds_said, rounds_table
from ontick.report.terminal import progress_bar


@dataclass(frozen=True, kw_only=True)
class Dagger(Learnt, Shown):
    """Let a pilot fly, have the teacher correct every state that it visits, learn from all, again and again."""

    task: Positional[Task]
    pilot: Positional[Annotated[str, arg(metavar="PILOT", help="A pilot of any kind: its folder, or pilot:NAME.")]]
    to: Annotated[
        Path,
        arg(metavar="DIR", help="Where the rounds are left; the same command goes on after a kill."),
    ]
    data: Annotated[
        tuple[Path, ...],
        arg(
            metavar="DIR ...",
            help="Datasets to learn from in every round too, such as what the pilot learnt from.",
            help_behavior_hint="(default: none)",
        ),
    ] = ()
    rounds: int = 5
    """At most so many; two in a row that bring nothing end it."""
    episodes: int = 20
    """How many episodes the pilot flies in a round."""
    beta: Annotated[
        str,
        arg(
            metavar="WORD",
            help="How often the teacher acts in the pilot's place in round i: 0, 0.3, power:0.5 (0.5^i), "
            "linear:4 (1 - i/4, then 0).",
        ),
    ] = "0"
    labels: Labels = Labels.ALL
    """Learn from all visited states, or from those in which the teacher disagreed."""
    weight: float = 1.0
    """How often a state counts in which the teacher disagreed."""
    recency: float = 1.0
    """What a round's data counts in the next round, against the newest; 1: all rounds alike."""
    balance: Annotated[
        Balance | None,
        arg(help="How much rare actions are helped.", help_behavior_hint="(default: as the pilot was trained)"),
    ] = None
    start: Start = Start.PARENT
    """Learn on from the weights of the round before (parent), or anew (base)."""
    steps: Annotated[
        int | None,
        arg(metavar="N", help="Optimiser steps of a round.", help_behavior_hint="(default: as the pilot was trained)"),
    ] = None
    labeller: str = "teacher"
    """Who says what is right: teacher, a small network (mlp:PATH, pilot:PATH), or python:FILE.py:NAME, a function from
    a state to an action."""
    keep: KeepChanges = field(default_factory=KeepChanges)
    """A language model: what it rehearses, so that it still talks; by default what it did when it was trained."""
    evaluation_episodes: int = 50
    """How many episodes a round's pilot is judged by."""
    task_module: TaskModule = None

    def run(self) -> int:
        """Fly and learn, and print."""
        with progress_bar(f"dagger {self.task}") as progress:
            result = dagger(self.setup(), progress)
        self.show(result, rounds_table(result), corrections_table(result), rounds_said(result))
        return 0

    def setup(self) -> DaggerSetup:
        """Return what these options ask for."""
        return DaggerSetup(
            task=self.task,
            pilot=find_pilot(self.pilot),
            to=self.to.expanduser(),
            data=tuple(folder.expanduser() for folder in self.data),
            rounds=self.rounds,
            episodes=self.episodes,
            beta=self.beta,
            labels=self.labels,
            weight=self.weight,
            recency=self.recency,
            balance=self.balance,
            start=self.start,
            steps=self.steps,
            latency=self.latency,
            in_flight=self.in_flight,
            late=self.late,
            aim=self.aim,
            labeller=self.labeller,
            keep=self.keep,
            evaluation_episodes=self.evaluation_episodes,
            task_module=self.task_module,
        )
