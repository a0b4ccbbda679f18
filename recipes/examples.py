"""Make the few-shot examples that ship with the tasks: states of disturbed flights, labelled by the teacher.

Rerunning gives the same files. The actions take turns, in an order that is drawn anew for every round, so that any
beginning of a list is balanced and no pattern can be copied from it. The first ones are the clearest: the
teacher's answer stays the same however the state is shaken. The others are spread over what the flights saw.
A state holds the environment's own values and nothing else, rounded to the decimals that a prompt can say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tyro

from ontick.evaluation.teacher_states import DisturbedTeacher, disturbed_flight
from ontick.tasks import find_task
from ontick.tasks.base import Environment, Example, Task
from ontick.tasks.examples import write_examples

TASKS = ("cartpole", "lunarlander")
FOLDER = Path(__file__).parents[1] / "src" / "ontick" / "tasks" / "examples"

FIRST_SEED = 1_000_000
"""Far from the seeds that evaluations fly."""
FLIGHTS = 60
EVERY_TICKS = 3
"""Neighbouring states are much the same."""
ROUNDS = {"cartpole": 32, "lunarlander": 16}
CLEAR_EXAMPLES = 8
"""How many at the beginning are clear cases."""

DECIMALS = 3
"""What a prompt can say at best; fewer for a feature that has fewer."""
SAID_DECIMALS = 2
"""What a prompt says unless told otherwise: the label must hold there too."""

SHAKES = 64
SHAKE = 0.25
"""Standard deviation of a shake, in standard deviations of the feature over all flights."""
CLEAR = 0.6
"""The share of shakes that any example's label must survive."""
CANDIDATES = 16
"""Best-candidate sampling (Mitchell, 1991): of so many drawn, the one farthest from those chosen is taken."""

Array = npt.NDArray[np.float64]


def main(folder: Path = FOLDER) -> None:
    """Make every file.

    Args:
        folder: where they are written.
    """
    for name in TASKS:
        path = folder / f"{name}.jsonl"
        examples = make_examples(find_task(name), ROUNDS[name])
        write_examples(path, examples)
        print(f"{len(examples)} examples: {path}")


def make_examples(task: Task, rounds: int) -> tuple[Example, ...]:
    """Return ``rounds`` examples an action, in the order in which a model is shown them."""
    rng = np.random.default_rng(FIRST_SEED)
    env = task.make()
    states, labels = _usable_states(task, env)
    scale = states.std(axis=0) + 1e-9
    firmness = np.array([_firmness(task, env, s, a, scale, rng) for s, a in zip(states, labels, strict=True)])
    by_action = [
        _choose(states[labels == action] / scale, firmness[labels == action], rounds, len(task.actions), rng)
        for action in range(len(task.actions))
    ]
    chosen: list[list[list[float]]] = [
        states[labels == action][places].tolist() for action, places in enumerate(by_action)
    ]
    turns: list[list[int]] = []
    while len(turns) < rounds:
        turn: list[int] = rng.permutation(len(task.actions)).tolist()
        if turns[-2:] != [turn, turn]:
            turns.append(turn)
    return tuple(Example(tuple(chosen[action][number]), action) for number, turn in enumerate(turns) for action in turn)


def _usable_states(task: Task, env: Environment) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return rounded states, each once, and the labels that they have at every rounding."""
    fine = [DECIMALS if feature.decimals else 0 for feature in task.features]
    said = [min(SAID_DECIMALS, feature.decimals) for feature in task.features]
    found: dict[tuple[float, ...], tuple[tuple[float, ...], int]] = {}
    teacher = DisturbedTeacher(task)
    for seed in range(FIRST_SEED, FIRST_SEED + FLIGHTS):
        episode, passed = disturbed_flight(task, env, teacher, seed)
        if not task.succeeded(episode):
            continue  # a wreck teaches nothing
        for state, wanted in passed[::EVERY_TICKS]:
            rounded, coarse = _rounded(state.tolist(), fine), _rounded(state.tolist(), said)
            if wanted == _teacher(task, env, rounded) == _teacher(task, env, coarse):
                found.setdefault(coarse, (rounded, wanted))
    return np.array([state for state, _ in found.values()]), np.array([action for _, action in found.values()])


def _rounded(values: Sequence[float], decimals: Sequence[int]) -> tuple[float, ...]:
    return tuple(round(value, places) + 0.0 for value, places in zip(values, decimals, strict=True))


def _teacher(task: Task, env: Environment, state: Sequence[float] | Array) -> int:
    return task.teacher(env, np.array(state, dtype=np.float32))


def _firmness(task: Task, env: Environment, state: Array, action: int, scale: Array, rng: np.random.Generator) -> float:
    """Return the share of shaken states in which the teacher wants the same; contacts are not shaken."""
    shaken = np.array([feature.decimals > 0 for feature in task.features]) * scale * SHAKE
    return float(np.mean([_teacher(task, env, state + rng.normal(0, shaken)) == action for _ in range(SHAKES)]))


def _choose(points: Array, firmness: Array, rounds: int, actions: int, rng: np.random.Generator) -> list[int]:
    """Return which of one action's states are taken, the clear ones first."""
    clear = -(-CLEAR_EXAMPLES // actions)
    firmest = np.argsort(-firmness, kind="stable")[: max(clear, len(points) // 20)]
    usable = np.flatnonzero(firmness >= CLEAR)
    chosen = [int(firmest[0])]
    while len(chosen) < rounds:
        pool = firmest if len(chosen) < clear else usable
        drawn = rng.choice(pool, CANDIDATES)
        distances = [float(np.linalg.norm(points[chosen] - points[place], axis=1).min()) for place in drawn]
        chosen.append(int(drawn[int(np.argmax(distances))]))
    return chosen


if __name__ == "__main__":
    tyro.cli(main)
