"""What does the loop cost a tick, above ``env.step``, under the virtual clock?

Both sides do the same work, turn by turn: seeded episodes of one environment object, reset and then stepped with the
same recorded actions of the teacher. One side is `ontick.loop.fly` with a controller that looks the action up, at no
latency; the other a bare ``for`` over ``env.step``. The difference of their medians has everything else in it: clock,
requests, the lookup, late rule, the records of ticks and answers, and summing the episode up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

import tyro

from bars import print_last_line
from machine import keep_to_two_cores, neighbours
from ontick.controllers.base import Decision, Observation
from ontick.controllers.scripted import Teacher
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.records import Flight
from ontick.tasks import find_task
from ontick.tasks.base import Environment, Task

FROZEN = VirtualTime(Constant(0))
TASKS = ("cartpole", "lunarlander")
MUST = {f"{task}_overhead_us": "<= 10.0" for task in TASKS}


class Recorded:
    """Answers ``o[k]`` with the action of tick k that was recorded for the episode's seed."""

    def __init__(self, actions: Sequence[Sequence[int]]) -> None:
        self._episodes = actions
        self._actions: Sequence[int] = ()

    def reset(self, seed: int) -> None:
        """Turn to the episode of that seed."""
        self._actions = self._episodes[seed]

    def decide(self, observation: Observation) -> Decision:
        """Look the action up."""
        return Decision(self._actions[observation.tick])


def fly_bare(env: Environment, actions: Sequence[int], seed: int) -> None:
    """Fly an episode without Ontick."""
    env.reset(seed=seed)
    for action in actions:
        env.step(action)


def fly_frozen(task: Task, env: Environment, controller: Teacher | Recorded, seed: int) -> Flight:
    """Fly an episode with Ontick, time frozen."""
    return fly(task, env, controller, FROZEN, late=LateRule.HOLD, seed=seed)


def measure(task: Task, episodes: int, repetitions: int) -> dict[str, float | int]:
    """Return what a tick takes on either side and the difference, in microseconds."""
    env = task.make()
    teacher = Teacher(task)
    actions = [[t.action for t in fly_frozen(task, env, teacher, seed).ticks] for seed in range(episodes)]
    recorded = Recorded(actions)
    bare_s: list[float] = []
    flown_s: list[float] = []
    for _ in range(repetitions):
        bare = flown = 0.0
        for seed in range(episodes):
            began = time.perf_counter()
            fly_bare(env, actions[seed], seed)
            between = time.perf_counter()
            fly_frozen(task, env, recorded, seed)
            flown += time.perf_counter() - between
            bare += between - began
        bare_s.append(bare)
        flown_s.append(flown)
    ticks = sum(map(len, actions))
    bare_us, flown_us = (median(side) / ticks * 1e6 for side in (bare_s, flown_s))
    return {
        f"{task.name}_ticks": ticks,
        f"{task.name}_env_step_us": bare_us,
        f"{task.name}_fly_us": flown_us,
        f"{task.name}_overhead_us": flown_us - bare_us,
    }


def main(episodes: int = 20, repetitions: int = 15) -> None:
    """Measure both tasks and print the figures.

    Args:
        episodes: how many, seeds 0, 1, …, in one repetition.
        repetitions: of which the median counts.
    """
    figures: dict[str, float | int | str | None] = {"cores": keep_to_two_cores(), "repetitions": repetitions}
    with neighbours() as others:
        for task in TASKS:
            figures |= measure(find_task(task), episodes, repetitions)
    print_last_line("loop_overhead", {**figures, "others_cpu_share": others.share}, MUST)


if __name__ == "__main__":
    tyro.cli(main)
