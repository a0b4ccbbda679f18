"""Do transformers and llama.cpp decide alike? The same weights in float32, 1,000 states of real flights.

The weights are those of the embedded GGUF file: llama.cpp runs them turned into float32, transformers what it reads
from the file. Each state is decided as in flight, with the cache of the one before.

A pretrained model prefers one digit nearly always, so that equal choices alone would say little. So the choices are
compared a second time after each score lost its median over all states of the task (of both backends): then a model
decides by how its scores move with the state. ``same_action`` and ``same_calibrated_action`` are shares of the states.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tyro

from bars import print_last_line
from machine import keep_to_two_cores
from ontick.models.base import ModelOptions
from ontick.models.catalog import load_model
from ontick.prompts import Prompt
from ontick.records import State
from ontick.tasks import find_task
from ontick.tasks.base import Task

TASKS = ("cartpole", "lunarlander")
NOISE = 0.3
"""The share of random actions: a teacher alone would show few states."""
MUST = {"same_action": ">= 0.99", "same_calibrated_action": ">= 0.99"}


def flown_states(task: Task, count: int) -> list[State]:
    """Return every second state of flights by the noisy teacher."""
    rng = np.random.default_rng(0)
    env = task.make()
    states: list[State] = []
    seed = 0
    while len(states) < 2 * count:
        state, _ = env.reset(seed=seed)
        over = False
        while not over:
            states.append(state)
            random = rng.random() < NOISE
            action = int(rng.integers(len(task.actions))) if random else task.teacher(env, state)
            state, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
        seed += 1
    return states[: 2 * count : 2]


def calibrated(scores: npt.NDArray[np.float64], medians: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return each row's choice when every score counts from its median; both are relative to the first choice."""
    return (scores - scores[:, :1] - medians).argmax(axis=1)


def main(states: int = 1000) -> None:
    """Decide every state with both backends and print the figures.

    Args:
        states: how many, over both tasks; the bars are for the default.
    """
    figures: dict[str, float | int | str | None] = {"cores": keep_to_two_cores(), "states": states}
    backends = (
        load_model("hf:smollm2", ModelOptions(dtype="float32")),
        load_model("smollm2", ModelOptions(quantisation="f32")),
    )
    figures |= {backend.info.backend: backend.info.quantisation for backend in backends}
    same, same_calibrated, difference = 0, 0, 0.0
    for name in TASKS:
        task = find_task(name)
        prompt = Prompt(task)
        asked = [prompt.messages(state) for state in flown_states(task, states // len(TASKS))]
        ours, theirs = (np.array([b.choose(m, prompt.choices).logprobs for m in asked]) for b in backends)
        pooled = np.concatenate([ours, theirs])
        medians = np.median(pooled - pooled[:, :1], axis=0)
        actions = calibrated(ours, medians)
        equal, equal_calibrated = ours.argmax(1) == theirs.argmax(1), actions == calibrated(theirs, medians)
        same, same_calibrated = same + int(equal.sum()), same_calibrated + int(equal_calibrated.sum())
        difference = max(difference, float(np.abs(ours - theirs).max()))
        _, counts = np.unique(actions, return_counts=True)
        figures |= {
            f"{name}_same_action": float(equal.mean()),
            f"{name}_same_calibrated_action": float(equal_calibrated.mean()),
            f"{name}_commonest_calibrated_action": float(counts.max() / len(actions)),
        }
    total = len(TASKS) * (states // len(TASKS))
    figures |= {"same_action": same / total, "same_calibrated_action": same_calibrated / total}
    print_last_line("backend_agreement", {**figures, "logprob_difference_max": difference}, MUST)


if __name__ == "__main__":
    tyro.cli(main)
