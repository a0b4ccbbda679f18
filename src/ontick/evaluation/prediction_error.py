"""How far off was what a controller was shown of the future? Read from the record, against what then came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ontick.evaluation.statistics import percentiles
from ontick.records import Flight, Json
from ontick.tasks.base import Task


def describe_prediction(task: Task, flights: Sequence[Flight]) -> Json | None:
    """Return by how much the states foreseen missed those that came, feature by feature; None if none was foreseen.

    ``unpredicted`` is what the same answers would have missed by without prediction: the distance between the state
    observed and the one that came. Answers for ticks that the episode did not reach are left out.
    """
    ahead: list[int] = []
    missed: list[list[float]] = []
    moved: list[list[float]] = []
    for flight in flights:
        for answer in flight.answers():
            lands = answer.foreseen_tick
            if answer.foreseen is None or lands is None or lands >= len(flight.ticks):
                continue
            came = flight.ticks[lands].observation.astype(float)
            ahead.append(lands - answer.observation_tick)
            missed.append(np.abs(came - answer.foreseen).tolist())
            moved.append(np.abs(came - flight.ticks[answer.observation_tick].observation).tolist())
    if not ahead:
        return None
    names = [feature.name for feature in task.features]
    return {
        "answers": len(ahead),
        "ahead_ticks": percentiles(ahead, 50, 95),
        "error": _by_feature(names, missed),
        "unpredicted": _by_feature(names, moved),
    }


def _by_feature(names: Sequence[str], distances: Sequence[Sequence[float]]) -> Json:
    return {name: percentiles(column, 50, 95) for name, column in zip(names, zip(*distances, strict=True), strict=True)}
