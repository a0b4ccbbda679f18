"""How long does a whole latency curve take? ``cliff`` for the teacher of each task, as it is by default.

Two late rules x 16 delays (0 … 300 ms) x 50 episodes. The time is the user's: it includes starting the processes.
``speed_up`` is against flying the same ticks in real time, one episode after another.
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

import tyro

from bars import print_last_line
from machine import keep_to_two_cores, neighbours
from ontick.evaluation.cliff import fly_curve
from ontick.evaluation.episodes import ClockName, Setup
from ontick.evaluation.points import EPISODES, CurveSetup
from ontick.records import read_run
from ontick.tasks import find_task

TASKS = ("cartpole", "lunarlander")
MUST = {f"{task}_s": "<= 30.0" for task in TASKS}


def main(episodes: int = EPISODES) -> None:
    """Fly both curves and print the figures.

    Args:
        episodes: how many at each delay; the bars are for the default.
    """
    figures: dict[str, float | int | str | None] = {"cores": keep_to_two_cores(), "episodes_per_point": episodes}
    with tempfile.TemporaryDirectory() as runs, neighbours() as others:
        for task in TASKS:
            setup = CurveSetup(Setup(task, "teacher", episodes=episodes, clock=ClockName.VIRTUAL))
            began = time.perf_counter()
            fly_curve(setup, Path(runs) / task)
            took_s = time.perf_counter() - began
            flown = read_run(Path(runs) / task).episodes
            simulated_s = math.fsum(episode.steps for episode in flown) * find_task(task).tick_s
            figures |= {
                f"{task}_s": took_s,
                f"{task}_episodes": len(flown),
                f"{task}_simulated_s": simulated_s,
                f"{task}_speed_up": simulated_s / took_s,
            }
    print_last_line("sweep", {**figures, "others_cpu_share": others.share}, MUST)


if __name__ == "__main__":
    tyro.cli(main)
