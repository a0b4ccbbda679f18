"""Where does a student differ from its teacher, how often, and how is that said in a sentence?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ontick.evaluation.statistics import clustered_ci95
from ontick.records import Json
from ontick.tasks.base import Task

WORTH_SAYING = 0.1
"""The share of the disagreements from which on a confusion is put into words."""


def describe_corrections(
    task: Task, said: npt.NDArray[Any], wanted: npt.NDArray[Any], episodes: npt.NDArray[Any]
) -> Json:
    """Return how often and in what a student was corrected.

    The interval of the rate is of whole episodes, since the states of one are alike.

    Args:
        task: names the actions.
        said: what the student would do in each state, shape (n,).
        wanted: what the teacher would, shape (n,).
        episodes: the seed of each state's episode, shape (n,).
    """
    differ = said != wanted
    wrong = int(differ.sum())
    seeds, place = np.unique(episodes, return_inverse=True)
    pairs: Counter[tuple[int, int]] = Counter(zip(said[differ].tolist(), wanted[differ].tolist(), strict=True))
    corrections: Counter[int] = Counter(wanted[differ].tolist())
    found: Json = {
        "states": len(said),
        "episodes": len(seeds),
        "disagreements": wrong,
        "rate": wrong / len(said),
        "rate_ci95": list(clustered_ci95(np.bincount(place, differ), np.bincount(place))),
        "corrections": {name: corrections[action] / max(1, wrong) for action, name in enumerate(task.actions)},
        "confusion": [
            {"said": task.action_name(a), "wanted": task.action_name(b), "n": n, "share": n / wrong}
            for (a, b), n in pairs.most_common()
        ],
    }
    return {**found, "words": _words(task, found)}


def _words(task: Task, found: Json) -> list[str]:
    """Say which confusions make up most of the disagreements."""
    low, high = found["rate_ci95"]
    said = [f"it disagrees with the teacher in {found['rate']:.1%} of the states ({low:.1%} to {high:.1%})"]
    confusion: list[Json] = found["confusion"]
    nothing = task.action_name(task.noop)
    idle = sum(pair["share"] for pair in confusion if pair["wanted"] == nothing)
    if idle >= WORTH_SAYING and len(task.actions) > 2:
        said.append(f"in {idle:.0%} of the disagreements it acts where the teacher says {nothing}")
    said += [
        f"in {pair['share']:.0%} of the disagreements it says {pair['said']} where the teacher says {pair['wanted']}"
        for pair in confusion
        if pair["share"] >= WORTH_SAYING
    ]
    return said
