"""Acrobot-v1 as a task of one's own: `ontick eval acrobot teacher --task-module docs/examples/acrobot.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import atan2, cos, sin
from typing import ClassVar

from ontick.records import Episode, State
from ontick.tasks.base import Diagnostic, Ending, Environment, Feature, Task
from ontick.tasks.picture import Disc, Line, Paint, Picture, Pose, Poses, Shape


class Acrobot(Task):
    """Swing a two-link pendulum up by a torque at its middle joint."""

    name: ClassVar = "acrobot"
    env_id: ClassVar = "Acrobot-v1"
    tick_s: ClassVar = 0.2  # AcrobotEnv.dt
    actions: ClassVar = ("torque -1", "no torque", "torque +1")
    noop: ClassVar = 1
    noop_name: ClassVar = "no torque"
    initial_action: ClassVar = 1
    features: ClassVar = (
        Feature("cos 1", "", 2),
        Feature("sin 1", "", 2),
        Feature("cos 2", "", 2),
        Feature("sin 2", "", 2),
        Feature("spin 1", "rad/s", 2),
        Feature("spin 2", "rad/s", 2),
    )
    instruction: ClassVar = "Swing the two-link pendulum up by pushing its middle joint."
    success: ClassVar = "swung_up"
    diagnostics: ClassVar = (
        Diagnostic((1.0, 0.0, 1.0, 0.0, -2.0, 0.0), frozenset({2}), "hanging, swinging fast one way"),
        Diagnostic((1.0, 0.0, 1.0, 0.0, 2.0, 0.0), frozenset({0}), "hanging, swinging fast the other way"),
    )

    keys: ClassVar = {"ArrowLeft": 0, "ArrowDown": 1, "ArrowRight": 2}

    @property
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        """``swung_up``: the tip got above the bar before the time limit."""
        return {"swung_up": lambda episode: episode.outcome == "swung up"}

    def outcome(self, ending: Ending) -> str:
        """Return ``swung up`` or ``timeout``."""
        return "timeout" if ending.truncated else "swung up"

    def teacher(self, env: Environment, observation: State) -> int:
        """Push the way the first link is swinging, which pumps energy in."""
        return 2 if observation[4] < 0 else 0

    def picture(self, scenery: Sequence[float]) -> Picture:
        """Return the two links, each a metre long and hanging down at angle 0, and the bar to get above."""
        link: tuple[Shape, ...] = (
            Line(((0.0, 0.0), (0.0, -1.0)), Paint.BODY, 0.12),
            Disc((0.0, 0.0), 0.1, Paint.TRIM),
        )
        return Picture((-2.2, -2.2, 2.2, 2.2), (Line(((-2.2, 1.0), (2.2, 1.0)), Paint.MARK, 0.03),), (link, link))

    def poses(self, observation: State, action: int | None) -> Poses:
        """Return where each link begins and how far it is turned."""
        cos_1, sin_1, cos_2, sin_2, *_ = observation.tolist()
        first = atan2(sin_1, cos_1)
        second = first + atan2(sin_2, cos_2)
        return Pose(0.0, 0.0, first), Pose(sin(first), -cos(first), second)
