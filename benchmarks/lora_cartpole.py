"""From the untrained SmolLM2-135M to a perfect CartPole pilot in real time: how long does the training take?

50,000 states sampled from CartPole's box and labelled by the teacher; a LoRA adapter of rank 16 on all linear layers;
the compact layout with a letter for each value, so that a decision is five new tokens. Training includes the flights
that choose the checkpoint. The pilot then flies with llama.cpp in real time, ten episodes under each late rule.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import tyro
from rich.console import Console

from bars import print_last_line
from machine import keep_to_two_cores, neighbours
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.late import LateRule
from ontick.learning.collect import sample_box, teacher_of
from ontick.learning.dataset import write_dataset
from ontick.learning.sft.settings import OptimiserOptions, SelectionOptions, SftSettings, SftSetup
from ontick.learning.sft.train import train_language_model
from ontick.prompts import Layout, PromptStyle
from ontick.tasks import find_task
from ontick.wording import Numbers

MUST = {"train_s": "<= 480", "perfect_hold": ">= 10", "perfect_noop": ">= 10"}

STATES = 50_000
EPISODES = 10


def main(steps: int = 200, every: int = 100, enough: int = 2, to: Path | None = None) -> None:
    """Collect, train, fly.

    Args:
        steps: of the optimiser, at most.
        every: how many of them lie between evaluations.
        enough: how many perfect evaluations in a row end the training.
        to: keep the pilot in this folder.
    """
    cores = keep_to_two_cores()
    stderr = Console(stderr=True)
    task = find_task("cartpole")
    with tempfile.TemporaryDirectory() as temporary:
        data, pilot = Path(temporary) / "box", to or Path(temporary) / "pilot"
        began = time.perf_counter()
        write_dataset(data, task, sample_box(task, teacher_of(task), STATES, seed=0), {"benchmark": "lora_cartpole"})
        collect_s = time.perf_counter() - began
        settings = SftSettings(
            prompt=PromptStyle(layout=Layout.COMPACT, numbers=Numbers.LETTER),
            optimiser=OptimiserOptions(steps=steps),
            selection=SelectionOptions(every=every, enough=enough),
        )
        began = time.perf_counter()
        with stderr.status("training"), neighbours() as others:
            card = train_language_model(SftSetup(task.name, (data,), pilot, settings))
        train_s = time.perf_counter() - began
        assert card is not None
        flown: dict[str, float | int] = {}
        for late in LateRule:
            setup = Setup(task.name, f"pilot:{pilot}", EPISODES, clock=ClockName.WALL, late=late)
            with stderr.status(f"flying, {late}"):
                summary = evaluate(prepare(setup), Path(temporary) / late.value).summary
            flown[f"perfect_{late.value}"] = summary["perfect"]
            flown[f"{late.value}_decision_p99_ms"] = summary["decision_ms"]["p99"]
        metrics = card["metrics"]
        print_last_line(
            "lora_cartpole",
            {
                "train_s": train_s,
                **flown,
                "steps": metrics["steps"],
                "best_step": metrics["best_step"],
                "loss": metrics["loss"],
                "parameters": metrics["parameters"],
                "prefix_tokens": metrics["prefix_tokens"],
                "suffix_tokens": metrics["suffix_tokens"],
                "states": STATES,
                "collect_s": collect_s,
                "others_share": others.share,
                "cores": cores,
            },
            MUST,
        )


if __name__ == "__main__":
    tyro.cli(main)
