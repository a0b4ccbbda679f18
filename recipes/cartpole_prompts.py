"""How far does a prompt alone bring the untrained SmolLM2-135M in CartPole? The table of prompts tried.

Every prompt is judged on seeds and states that no result is reported on. AUC is free of the model's leaning: the chance
that it finds ``right`` likelier in a state where the teacher goes right than in one where it goes left. Agreement and
flights are with the leaning taken off (`ontick.controllers.leaning`), and for comparison without. The prompt that flies
longest is then flown by llama.cpp on seeds from 0 on, which nothing here has seen, with time frozen and in real time.
The weights are the packaged ones throughout (``--model.quantisation as-is``); the fastest kind is another model.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import tyro
from rich.console import Console

from ontick.controllers.catalog import Asking
from ontick.evaluation.anatomy import states_of_a_flight
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.teacher_states import DisturbedTeacher, disturbed_flight
from ontick.late import LateRule
from ontick.learning.flock import fly_together
from ontick.learning.sft.learner import batch_policy
from ontick.learning.sft.model import load_word
from ontick.learning.sft.tokens import Asker
from ontick.models.base import ModelOptions
from ontick.models.chat import common_prefix
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded
from ontick.prompts import ExamplesIn, Layout, Prompt, PromptStyle
from ontick.provenance import usable_cores
from ontick.tasks import find_task
from ontick.tasks.base import Task
from ontick.wording import Numbers

FIRST_SEED = 1_100_000
"""Of everything that is chosen by; the shipped examples are from flights of seeds 1,000,000 to 1,000,059."""
STATES, FLIGHTS = 160, 6
"""States of the disturbed teacher, and of how many flights."""

BEGIN = PromptStyle(features=("angle", "spin"), numbers=Numbers.TWO, examples=32)
"""Where the search begins: the CartPole post's best form, as turns of a conversation."""

WHOLE = replace(BEGIN, numbers=Numbers.WHOLE)


def candidates() -> Iterator[PromptStyle]:
    """Yield the prompts that are tried, the one that ships first."""
    yield PromptStyle()
    for style in (BEGIN, WHOLE, replace(WHOLE, layout=Layout.COMPACT)):
        for examples in (0, 8, 16, 32, 48):
            yield replace(style, examples=examples)
        yield replace(style, examples_in=ExamplesIn.SYSTEM)
        yield replace(style, features=("spin", "angle"))
        yield replace(style, features=("x", "v", "angle", "spin"))
    yield replace(BEGIN, features=("spin",))
    yield replace(BEGIN, features=("angle",))
    yield replace(BEGIN, numbers=Numbers.THREE)
    for numbers in (Numbers.TWO, Numbers.LETTER, Numbers.FINE):
        yield replace(BEGIN, numbers=numbers, layout=Layout.COMPACT)


class Judged(NamedTuple):
    """One prompt and what it came to; `plain` is without calibration."""

    style: PromptStyle
    new_tokens: float
    """At a decision of the teacher's flight, the median."""
    auc: float
    agreement: float
    """Mean recall of the teacher's two actions."""
    plain_agreement: float
    steps: list[int]
    plain_steps: list[int]

    @property
    def rank(self) -> tuple[float, float]:
        """What the best has most of."""
        return median(self.steps), fmean(self.steps)

    def as_row(self) -> str:
        """Return a line of the Markdown table."""
        style = self.style
        perfect = sum(steps >= 500 for steps in self.steps)
        return (
            f"| {' '.join(style.features) or 'all'} | {style.numbers} | {style.examples} {style.examples_in} "
            f"| {style.layout} | {self.new_tokens:g} | {self.auc:.3f} | {self.plain_agreement:.2f} "
            f"| {self.agreement:.2f} | {median(self.plain_steps):g} | {median(self.steps):g} "
            f"| {perfect}/{len(self.steps)} |"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the same for the last line."""
        return {"options": options(self.style), **{k: v for k, v in self._asdict().items() if k != "style"}}


HEAD = (
    "| features | numbers | examples | layout | new tokens | AUC | agreement | calibrated | frozen steps | calibrated "
    "| perfect |\n" + "| --- " * 11 + "|"
)


def options(style: PromptStyle) -> str:
    """Return a style as the command line takes it."""
    said = [f"--prompt.features {' '.join(style.features)}"] if style.features else []
    said += [f"--prompt.numbers {style.numbers}", f"--prompt.examples {style.examples}"]
    said += [f"--prompt.examples-in {style.examples_in}", f"--prompt.layout {style.layout}"]
    return " ".join([*said, *(["--prompt.calibrate"] if style.calibrate else [])])


def labelled(task: Task, count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return states of the disturbed teacher's flights, shape (count, features), and what it wants there."""
    env, teacher = task.make(), DisturbedTeacher(task)
    seeds = range(FIRST_SEED, FIRST_SEED + FLIGHTS)
    passed = [state for seed in seeds for state in disturbed_flight(task, env, teacher, seed)[1]]
    places: list[float] = np.linspace(0, len(passed) - 1, count).tolist()
    chosen = [passed[round(place)] for place in places]
    return np.array([state for state, _ in chosen], dtype=np.float32), np.array([action for _, action in chosen])


def auc(scores: npt.NDArray[np.float64], wanted: npt.NDArray[np.int64]) -> float:
    """Return the chance that a state with action 1 scores higher than one with action 0, ties counting half."""
    above = scores[wanted == 1][:, None] - scores[wanted == 0][None, :]
    return float((above > 0).mean() + (above == 0).mean() / 2)


def agreement(actions: Sequence[int], wanted: npt.NDArray[np.int64]) -> float:
    """Return the mean recall of the two actions."""
    right = np.array(actions) == wanted
    return float(right[wanted == 1].mean() + right[wanted == 0].mean()) / 2


def new_tokens(task: Task, asker: Asker) -> float:
    """Return the median number of tokens that a decision has to read."""
    flown = [asker.prompt_tokens(state) for state in states_of_a_flight(task, FIRST_SEED)]
    return median(max(1, len(here) - common_prefix(before, here)) for before, here in pairwise(flown))


def judge(task: Task, loaded: Loaded, style: PromptStyle, states: int, seeds: Sequence[int]) -> Judged:
    """Ask about states, then fly, with and without calibration."""
    shown, wanted = labelled(task, states)
    plain, calibrated = (
        batch_policy(loaded, Prompt(task, replace(style, calibrate=calibrate))) for calibrate in (False, True)
    )
    scores = plain.scores(shown).astype(np.float64)
    return Judged(
        style,
        new_tokens(task, Asker(Prompt(task, style), Conversation(loaded.tokenizer, loaded.name))),
        auc(scores[:, 1] - scores[:, 0], wanted),
        agreement(calibrated.decide_many(shown), wanted),
        agreement(plain.decide_many(shown), wanted),
        [flight.episode.steps for flight in fly_together(task, calibrated, seeds)],
        [flight.episode.steps for flight in fly_together(task, plain, seeds)],
    )


def flown(style: PromptStyle, clock: ClockName, late: LateRule, episodes: int, threads: int) -> dict[str, Any]:
    """Fly a prompt by llama.cpp, on seeds from 0 on; return the summary."""
    asking = Asking(prompt=style, model=ModelOptions(quantisation="as-is", threads=threads))
    setup = Setup("cartpole", "smollm2", episodes, clock=clock, late=late, asking=asking)
    with tempfile.TemporaryDirectory() as temporary:
        return evaluate(prepare(setup), Path(temporary) / "run").summary


def main(quick: bool = False, episodes: int = 6, reported: int = 50, threads: int | None = None) -> None:
    """Judge every prompt, fly the best.

    Args:
        quick: a few prompts, states and episodes only: a few minutes.
        episodes: of each prompt in the search, time frozen.
        reported: of the best, time frozen, from seed 0 on; ten of them in real time.
        threads: processor threads; by default as many as there are cores.
    """
    threads = threads or usable_cores()
    states, tried = STATES, list(candidates())
    if quick:
        states, episodes, reported = 60, 2, 4
        tried = [PromptStyle(), replace(BEGIN, examples=8), WHOLE, replace(WHOLE, layout=Layout.COMPACT)]
    task = find_task("cartpole")
    loaded = load_word("smollm2", ModelOptions(dtype="float32", device="cpu"))
    torch.set_num_threads(threads)
    stderr = Console(stderr=True)
    print(HEAD)
    found: list[Judged] = []
    for number, style in enumerate(tried, start=1):
        with stderr.status(f"prompt {number} of {len(tried)}: {options(style)}"):
            found.append(judge(task, loaded, style, states, range(FIRST_SEED + 100, FIRST_SEED + 100 + episodes)))
        print(found[-1].as_row(), flush=True)
    best = replace(max(found, key=lambda judged: judged.rank).style, calibrate=True)
    print(f"\nontick eval cartpole smollm2 {options(best)} --model.quantisation as-is", flush=True)
    with stderr.status("the best, time frozen"):
        frozen = flown(best, ClockName.VIRTUAL, LateRule.HOLD, reported, threads)
    real_time: dict[str, Any] = {}
    for late in LateRule:
        with stderr.status(f"the best, real time, {late}"):
            real_time[late.value] = flown(best, ClockName.WALL, late, min(10, reported), threads)
    for name, summary in {"time frozen": frozen, **real_time}.items():
        print(f"{name}: median {summary['steps_median']:g}, perfect {summary['perfect']} of {summary['n']}")
    figures = {"best": options(best), "frozen": frozen, "real_time": real_time, "tried": [j.as_json() for j in found]}
    print(json.dumps({"benchmark": "cartpole_prompts", "figures": figures, "bars": {}}), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
