"""How good is a small network that is cloned from nothing, and how long does it take? Both tasks, on two cores.

Teacher rollouts are collected, a network is trained and its best look kept, as ``ontick collect`` and ``ontick train
TASK mlp`` do by default; ``*_s`` is all of that. Then it flies seeds that nobody has flown, time frozen.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import tyro

from bars import Figures, print_last_line
from machine import keep_to_two_cores, neighbours
from ontick.controllers.mlp import load_mlp
from ontick.evaluation.summary import summarise
from ontick.learning.flock import fly_together
from ontick.learning.gather import CollectSetup, gather
from ontick.learning.mlp import MlpSetup, train_mlp
from ontick.records import Json
from ontick.tasks import find_task

ROLLOUTS = 500
FLOWN = {"cartpole": ("perfect", 10), "lunarlander": ("solved", 50)}
"""Of each task, what the bar counts and in how many episodes, from seed 0."""

OTHER_SEED, OTHERS = 1000, 200
"""More episodes, to see how much of that was luck."""

MUST = {
    "cartpole_perfect": ">= 10",
    "cartpole_s": "<= 60.0",
    "cartpole_parameters": "<= 114",
    "lunarlander_solved": ">= 49",
    "lunarlander_s": "<= 60.0",
    "lunarlander_parameters": "<= 18180",
}


def measure(name: str, rollouts: int, folder: Path) -> dict[str, float | int]:
    """Go from nothing to a pilot, and fly it."""
    counted, episodes = FLOWN[name]
    began = time.perf_counter()
    gather(CollectSetup(name, episodes=rollouts), folder / "data")
    collected_s = time.perf_counter() - began
    trained = train_mlp(MlpSetup(name, (folder / "data",), folder / "pilot"))
    took_s = time.perf_counter() - began
    flown, others = _fly(name, folder / "pilot", 0, episodes), _fly(name, folder / "pilot", OTHER_SEED, OTHERS)
    found = {
        counted: flown[counted],
        "reward_mean": flown["reward_mean"],
        f"{counted}_of_{OTHERS}_others": others[counted],
        "others_reward_mean": others["reward_mean"],
        "parameters": trained["parameters"],
        "states": trained["n"],
        "collect_s": collected_s,
        "train_s": took_s - collected_s,
        "s": took_s,
    }
    return {f"{name}_{figure}": value for figure, value in found.items()}


def _fly(name: str, pilot: Path, seed: int, episodes: int) -> Json:
    task = find_task(name)
    return summarise(task, fly_together(task, load_mlp(pilot, task), range(seed, seed + episodes)))


def main(rollouts: int = ROLLOUTS) -> None:
    """Clone both tasks' teachers and print the figures.

    Args:
        rollouts: of each teacher; the bars are for the default.
    """
    figures: Figures = {"cores": keep_to_two_cores(), "rollouts": rollouts}
    with tempfile.TemporaryDirectory() as folder, neighbours() as others:
        for name in FLOWN:
            figures = {**figures, **measure(name, rollouts, Path(folder) / name)}
    print_last_line("mlp_cloning", {**figures, "others_cpu_share": others.share}, MUST)


if __name__ == "__main__":
    tyro.cli(main)
