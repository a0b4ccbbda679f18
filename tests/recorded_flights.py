"""Recorded flights for the tests of replays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ontick.evaluation.episodes import ClockName, Evaluation, Setup, evaluate, prepare


def fly(folder: Path, task: str = "cartpole", controller: str = "teacher", **asked: Any) -> Evaluation:
    """Record a run under the virtual clock."""
    setup = Setup(task, controller, episodes=3, clock=ClockName.VIRTUAL, latency="25")
    return evaluate(prepare(replace(setup, **asked)), folder)
