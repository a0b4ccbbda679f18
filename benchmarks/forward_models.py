"""How far ahead does LunarLander's forward model see? Its errors, what it costs, and a teacher that flies by it.

- Errors 1 and 20 ticks ahead, feature by feature, on the teacher's flights of seeds that nothing was fitted on, in the
  air and near the ground, beside three others: nothing changes; a linear model, and the network that ``ontick train
  lunarlander dynamics`` fits, both fitted on other flights, disturbed ones too.
- An exact delay line: at each tick the teacher is asked about the state foreseen from the newest observation and the
  actions still on their way, and its answer acts so many ticks later; until the first one does, action 0 acts.
- The time of one prediction ten ticks ahead, for CartPole too.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from statistics import median

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from bars import print_last_line
from machine import neighbours
from ontick.controllers.scripted import Teacher
from ontick.forward import ForwardModel
from ontick.forward.fitted import Dynamics, rows_of
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.learning.dynamics.errors import Errors, Windows, errors_of, errors_of_own, windows_of
from ontick.learning.dynamics.fit import fit
from ontick.learning.dynamics.settings import DynamicsSettings
from ontick.learning.dynamics.traces import Trace, fly_traces
from ontick.learning.seeds import DYNAMICS_SEED
from ontick.loop import VirtualTime, fly
from ontick.records import State
from ontick.tasks import find_task
from ontick.tasks.base import Task
from ontick.tasks.lunar_lander import SOLVED_REWARD

FITTED = 200
"""Flights that the linear model and the network learn from."""
NEAR_GROUND = 0.1
"""The height, as observed, below which any state of a stretch makes it one near the ground."""
MOST_STRETCHES = 3000
DELAYS = (8, 12, 16)
OTHER_SEED, OTHERS = 1000, 1000
"""More episodes, to see how much was luck."""
Y, LEGS = 1, 6

MUST = {
    "landed_8_ticks": ">= 47",
    "solved_8_ticks": ">= 44",
    "lunarlander_10_ticks_air_ms": "<= 1.0",
    "lunarlander_10_ticks_ground_ms": "<= 1.0",
    "cartpole_10_ticks_ms": "<= 0.2",
}


def teachers_traces(task: Task, seeds: Sequence[int]) -> list[Trace]:
    """Return the teacher's own flights."""
    env, teacher = task.make(), Teacher(task)
    traces: list[Trace] = []
    for seed in seeds:
        ticks = fly(task, env, teacher, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed).ticks
        states = np.array([tick.observation for tick in ticks], dtype=np.float64)
        traces.append(Trace(states, np.array([tick.action for tick in ticks[:-1]], dtype=np.int64)))
    return traces


def linear_model(task: Task, traces: Sequence[Trace]) -> Dynamics:
    """Return the linear model of the changes that fits best (least squares)."""
    features, rows = len(task.features), rows_of(task)
    states = np.concatenate([trace.states[:-1] for trace in traces])
    changes = np.concatenate([np.diff(trace.states, axis=0) for trace in traces])
    chosen = np.eye(rows)[np.concatenate([trace.actions for trace in traces])]
    solved = np.linalg.lstsq(np.hstack([states, chosen]), changes, rcond=None)[0].astype(np.float64)
    one, unbounded = np.ones(features), np.full(features, np.inf)
    return Dynamics(
        offset=0 * one,
        scale=one,
        reach=one,
        lowest=-unbounded,
        highest=unbounded,
        flags=np.zeros(features, dtype=np.bool_),
        linear=(solved[:features], solved[features:]),
        layers=((np.zeros((features, features)), np.zeros((rows, features))),),
        legal=len(task.actions),
    )


def parted(windows: Windows) -> dict[str, Windows]:
    """Return the stretches in the air and those near the ground."""
    low = (windows.states[..., Y] < NEAR_GROUND) | (windows.states[..., LEGS:] > 0).any(axis=-1)
    near = low.any(axis=1)
    return {
        place: Windows(windows.states[mask], windows.actions[mask])
        for place, mask in (("air", ~near), ("ground", near))
    }


def delay_line(task: Task, foresee: ForwardModel, seeds: Sequence[int], delay: int) -> list[float]:
    """Return the reward of each episode that the teacher flies through a delay line of so many ticks."""
    env, consulted = task.make(), task.make()
    rewards: list[float] = []
    for seed in seeds:
        state, _ = env.reset(seed=seed)
        pending, rewarded, over = deque([0] * delay), 0.0, False
        while not over:
            pending.append(task.teacher(consulted, foresee(state, list(pending))))
            state, reward, terminated, truncated, _ = env.step(pending.popleft())
            rewarded, over = rewarded + float(reward), terminated or truncated
        rewards.append(rewarded)
    return rewards


def prediction_ms(task: Task, state: State, ticks: int = 10, repetitions: int = 300) -> float:
    """Return what one prediction takes, the no-op being what acts."""
    actions = [task.noop] * ticks
    took: list[float] = []
    for _ in range(repetitions):
        began = time.perf_counter()
        task.predict(state, actions)
        took.append(time.perf_counter() - began)
    return median(took) * 1e3


def shown(task: Task, place: str, found: dict[str, Errors]) -> Table:
    """Return one row a feature."""
    ticks = found["mechanics"].ticks
    table = Table("feature", "nothing changes", *found, title=f"{place}, {ticks} ahead: mean absolute error")
    for number, feature in enumerate(task.features):
        off = [errors.error[number] for errors in found.values()]
        table.add_row(feature.name, *(f"{value:.5f}" for value in (found["mechanics"].change[number], *off)))
    return table


def flown_through_delays(task: Task, episodes: int, others: int) -> dict[str, int]:
    """Return how many episodes land, and how many are solved, for each delay."""
    figures: dict[str, int] = {}
    for suffix, seeds in (("", range(episodes)), ("_others", range(OTHER_SEED, OTHER_SEED + others))):
        rewards = {f"{delay}_ticks": delay_line(task, task.predict, seeds, delay) for delay in DELAYS}
        rewards["undelayed"] = delay_line(task, lambda state, _: state, seeds, 0)
        for name, flown in rewards.items():
            figures[f"landed_{name}{suffix}"] = sum(reward > 0 for reward in flown)
            figures[f"solved_{name}{suffix}"] = sum(reward >= SOLVED_REWARD for reward in flown)
    return figures


def main(episodes: int = 50, others: int = OTHERS) -> None:
    """Measure and print the figures.

    Args:
        episodes: from seed 0, for the errors and the delay line; the bars are for the default.
        others: how many more episodes fly through the delay line.
    """
    task = find_task("lunarlander")
    figures: dict[str, float | int | str | None] = {"episodes": episodes, "others": others}
    console = Console(width=100)
    with neighbours() as busy:
        learnt_from = fly_traces(task, range(DYNAMICS_SEED, DYNAMICS_SEED + FITTED))
        models = {
            "linear": linear_model(task, learnt_from),
            "network": fit(learnt_from, rows_of(task), len(task.actions), DynamicsSettings()),
        }
        flights = windows_of(teachers_traces(task, range(episodes)), MOST_STRETCHES)
        for place, windows in parted(flights).items():
            fitted = {name: errors_of(model, windows) for name, model in models.items()}
            for own in errors_of_own(task, windows, (1, windows.actions.shape[1])):
                found = {"mechanics": own, **{name: errors[own.ticks - 1] for name, errors in fitted.items()}}
                console.print(shown(task, place, found))
                for number, feature in enumerate(task.features):
                    key = f"{place}_{own.ticks}_{feature.name.replace(' ', '_')}"
                    figures[f"{key}_change"] = float(own.change[number])
                    figures |= {f"{key}_{name}": float(errors.error[number]) for name, errors in found.items()}
        figures |= flown_through_delays(task, episodes, others)
        in_air, _ = task.make().reset(seed=0)
        figures["lunarlander_10_ticks_air_ms"] = prediction_ms(task, in_air)
        landing = np.array([0, 0.01, 0.1, -0.2, 0.05, 0.1, 0, 1], dtype=np.float32)
        figures["lunarlander_10_ticks_ground_ms"] = prediction_ms(task, landing)
        cartpole = find_task("cartpole")
        figures["cartpole_10_ticks_ms"] = prediction_ms(cartpole, cartpole.make().reset(seed=0)[0])
    print_last_line("forward_models", {**figures, "others_cpu_share": busy.share}, MUST)


if __name__ == "__main__":
    tyro.cli(main)
