"""How much faster is a batch of short prompts read, and its loss followed back, as a tree and in blocks?

SmolLM2-135M with a LoRA adapter of rank 16 on all linear layers, batches of LunarLander's states from the teacher's
flights, eight tokens each after a short instruction; the same batches for all sides, in turn. A step is the loss and
its gradient.

- ``whole``: every prompt by itself, as libraries do.
- ``beginning``: one row, in which only what all prompts begin with stands once, under one mask.
- ``tree``: one row, in which whatever several prompts begin with stands once, under one mask.
- ``blocks``: the same, attention computed only where tokens see one another: what training does on a processor.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import tyro

from bars import Figures, print_last_line
from machine import CORES, keep_to_two_cores, neighbours
from ontick.learning.balance import Balance
from ontick.learning.gather import CollectSetup, gather
from ontick.learning.sft.model import Student, make_student
from ontick.learning.sft.plan import lesson_of
from ontick.learning.sft.settings import SftSettings
from ontick.learning.sft.shared import BatchReader, SharedPrefix, WholePrompts
from ontick.learning.sft.tokens import Examples, Tokens, draw_order, tokenise
from ontick.learning.sft.trainer import LEARNT, READ, Collator, answer_loss
from ontick.prompts import Layout, PromptStyle
from ontick.tasks import find_task
from ontick.wording import Numbers

MUST = {"times_faster_than_beginning": ">= 1.2", "loss_difference": "<= 0.05"}
"""The losses' bar is bfloat16's rounding; in float32 they agree to 0.0001."""

FLIGHTS = 20

STYLE = PromptStyle(
    brief=True,
    layout=Layout.COMPACT,
    numbers=Numbers.FINE,
    features=("right leg", "left leg", "x", "y", "angle", "vx", "vy", "spin"),
)

_torch: Any = torch


class Beginning(SharedPrefix):
    """Shares nothing but what all prompts begin with."""

    def batch(
        self, prefix: Tokens, suffixes: Sequence[Tokens], *, each: bool = False, apart: bool = False
    ) -> dict[str, torch.Tensor]:
        """Return the row; see `SharedPrefix.batch`."""
        return super().batch(prefix, suffixes, each=each, apart=True)


def drawn_examples(student: Student, batch: int, steps: int) -> Examples:
    """Return the examples of all steps, as training draws them with ``--balance sqrt``."""
    task = student.asker.prompt.task
    with tempfile.TemporaryDirectory() as folder:
        dataset = gather(CollectSetup(task.name, episodes=FLIGHTS), Path(folder) / "data")
    lesson = lesson_of([dataset], len(task.actions), Balance.SQRT)
    order = draw_order(len(lesson.demos), batch * steps, 0, lesson.weights)
    return tokenise(student.asker, lesson.demos.where(order))


class Step(NamedTuple):
    """What is known of a step."""

    loss: float
    elapsed_s: float
    tokens: int
    """That the model read."""


def step(student: Student, reader: BatchReader, examples: Examples, numbers: Sequence[int]) -> Step:
    """Make a step without moving a weight."""
    began = time.perf_counter()
    batch = Collator(examples, reader)(numbers)
    with _torch.autocast("cpu", torch.bfloat16, enabled=student.compute == torch.bfloat16):
        loss = answer_loss(reader.logits(student.model, batch[READ]).float(), batch[LEARNT])
    _torch.autograd.backward(loss)
    student.model.zero_grad()
    return Step(float(loss.detach()), time.perf_counter() - began, batch[READ]["input_ids"].numel())


def main(batch: int = 32, steps: int = 6, dtype: str = "bfloat16") -> None:
    """Let all sides make the same steps, in turn.

    Args:
        batch: how many states a step learns from.
        steps: how many; the first does not count.
        dtype: bfloat16 or float32.
    """
    if steps < 2:
        sys.exit(f"--steps {steps} cannot be; give 2 or more, since the first does not count")
    figures: Figures = {"batch": batch, "steps": steps, "dtype": dtype, "cores": keep_to_two_cores()}
    _torch.set_num_threads(CORES)
    settings = SftSettings(prompt=STYLE, dtype=dtype, device="cpu")
    student = make_student(find_task("lunarlander"), settings)
    examples, config = drawn_examples(student, batch, steps), student.model.config
    sides: dict[str, BatchReader] = {
        "whole": WholePrompts(),
        "beginning": Beginning(config, dense=True),
        "tree": SharedPrefix(config, dense=True),
        "blocks": SharedPrefix(config),
    }
    made: dict[str, list[Step]] = {name: [] for name in sides}
    with neighbours() as others:
        for number in range(steps):
            for name, reader in sides.items():
                made[name].append(step(student, reader, examples, range(number * batch, (number + 1) * batch)))
    step_s = {name: float(np.median([one.elapsed_s for one in told[1:]])) for name, told in made.items()}
    print_last_line(
        "sft_row",
        {
            **figures,
            **{f"{name}_step_s": value for name, value in step_s.items()},
            **{f"{name}_tokens": float(np.mean([one.tokens for one in told])) for name, told in made.items()},
            **{f"times_faster_than_{name}": step_s[name] / step_s["blocks"] for name in sides if name != "blocks"},
            "loss_difference": max(
                abs(one.loss - other.loss)
                for told in made.values()
                for one, other in zip(told, made["whole"], strict=True)
            ),
            "others_cpu_share": others.share,
        },
        MUST,
    )


if __name__ == "__main__":
    tyro.cli(main)
