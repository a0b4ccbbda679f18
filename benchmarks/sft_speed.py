"""How much faster, and with how much less memory, is a model fine-tuned than by TRL's `SFTTrainer`?

SmolLM2-135M with a LoRA adapter of rank 16 on all linear layers, batches of 32 CartPole examples with the same tokens:
100 that all share (the prompt's own, cut to that length), the state's, and the action as completion. Both sides are
Hugging Face Trainers with the same AdamW and precision, each alone in a process, and they take turns, a step each.
``--layout`` chooses the prompt: chat with whole numbers (the longer one), or compact with letters.

- ``trl``: completion-only loss on the pretokenised examples, without gradient checkpointing, which costs it time.
- ``trl_checkpointing``: as it comes, with gradient checkpointing, which saves it memory; two steps only.

Speed is the median of the steps after the first, their batch's preparation included, against the faster of the two.
Memory is the largest resident set in the first step above that of the process with model and optimiser loaded, freed
memory given back before; the bar is against ``trl``, and the figures have both.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import multiprocessing
import sys
import tempfile
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
import tyro

from bars import print_last_line
from machine import CORES, keep_to_two_cores
from ontick.learning.collect import sample_box, teacher_of
from ontick.learning.sft.arguments import arguments, quiet_libraries
from ontick.learning.sft.model import make_student
from ontick.learning.sft.settings import OptimiserOptions, SelectionOptions, SftSettings
from ontick.learning.sft.shared import fitting_reader
from ontick.learning.sft.tokens import Examples, tokenise
from ontick.learning.sft.trainer import AnswerTrainer, Collator, silenced
from ontick.prompts import Layout, PromptStyle
from ontick.tasks import find_task
from ontick.wording import Numbers

MUST = {
    "times_faster_than_trl": ">= 3.0",
    "first_loss_difference": "<= 0.001",
    "memory_over_trl": "<= 0.5",
}

PREFIX_TOKENS = 100
BATCH = 32

STYLES = {
    Layout.CHAT: PromptStyle(),
    Layout.COMPACT: PromptStyle(layout=Layout.COMPACT, numbers=Numbers.LETTER),
}

_torch: Any = torch
_transformers: Any = transformers
_Callback: Any = transformers.TrainerCallback


class Step(NamedTuple):
    """What is told of a step."""

    elapsed_s: float
    memory_mb: float


class Turns(_Callback):
    """Lets a Trainer make a step only when it is told to, and tells what the step took."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Wait for the first turn."""
        self._wait()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Tell, and wait for the next turn."""
        elapsed_s = time.perf_counter() - self._began
        self._line.send(Step(elapsed_s, _peak_mb() - self._before_mb))
        self._wait()

    def _wait(self) -> None:
        self._line.recv()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # proc_pid_clear_refs(5): the peak begins anew
        self._before_mb = _peak_mb()
        self._began = time.perf_counter()


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def settings_for(layout: Layout, dtype: str, steps: int) -> SftSettings:
    """Return what both sides are asked."""
    return SftSettings(
        prompt=STYLES[layout],
        optimiser=OptimiserOptions(steps=steps, batch=BATCH),
        selection=SelectionOptions(every=0),
        dtype=dtype,
        device="cpu",
    )


def same_examples(settings: SftSettings, asker: Any) -> Examples:
    """Return the examples, their shared beginning cut to `PREFIX_TOKENS`."""
    task = find_task("cartpole")
    demos = sample_box(task, teacher_of(task), settings.optimiser.steps * BATCH, seed=0)
    examples = tokenise(asker, demos)
    return examples._replace(prefix=examples.prefix[-PREFIX_TOKENS:])


def ontick_trainer(settings: SftSettings, folder: Path, turns: Turns) -> Any:
    """Return Ontick's trainer."""
    student = make_student(find_task("cartpole"), settings)
    examples = same_examples(settings, student.asker)
    some = [suffix.tolist() for suffix in examples.suffixes[:4]]
    reader = fitting_reader(student.model, examples.prefix, some)
    return silenced(
        AnswerTrainer(
            reader=reader,
            examiner=None,
            model=student.model,
            args=arguments(settings, folder),
            train_dataset=list(range(len(examples.targets))),
            data_collator=Collator(examples, reader),
            callbacks=[turns],
        )
    )


def trl_trainer(settings: SftSettings, folder: Path, turns: Turns, *, checkpointing: bool) -> Any:
    """Return TRL's trainer of the same model on the same examples."""
    library: Any = importlib.import_module("trl")
    tables: Any = importlib.import_module("datasets")
    tables.disable_progress_bars()
    student = make_student(find_task("cartpole"), settings)
    examples = same_examples(settings, student.asker)
    whole = [examples.whole(number) for number in range(len(examples.targets))]
    rows = {
        "input_ids": [[*prompt, int(target)] for prompt, target in zip(whole, examples.targets, strict=True)],
        "completion_mask": [[0] * len(prompt) + [1] for prompt in whole],
    }
    ours = arguments(settings, folder)
    names = "max_steps learning_rate lr_scheduler_type warmup_steps weight_decay max_grad_norm seed bf16 fp16 use_cpu"
    args = library.SFTConfig(
        output_dir=str(folder),
        **{name: getattr(ours, name) for name in names.split()},
        per_device_train_batch_size=BATCH,
        train_sampling_strategy="sequential",
        completion_only_loss=True,
        gradient_checkpointing=checkpointing,
        max_length=None,
        dataloader_pin_memory=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    return silenced(
        library.SFTTrainer(
            model=student.model,
            args=args,
            train_dataset=tables.Dataset.from_dict(rows),
            processing_class=student.tokenizer,
            callbacks=[turns],
        )
    )


def run_side(side: str, layout: Layout, dtype: str, steps: int, line: Connection) -> None:
    """Be one side, in a process of its own: a step for each word on ``line``, then the first step's loss."""
    _torch.set_num_threads(CORES)
    turns = Turns(line)
    settings = settings_for(layout, dtype, steps)
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        if side == "ontick":
            trainer = ontick_trainer(settings, Path(folder), turns)
        else:
            trainer = trl_trainer(settings, Path(folder), turns, checkpointing=side == "trl_checkpointing")
        trainer.train()
        logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        line.send(logged[0])


def main(steps: int = 4, layout: Layout = Layout.CHAT, dtype: str = "float32") -> None:
    """Let all sides make the same steps, in turn.

    Args:
        steps: how many; the first is for the loss and the memory.
        layout: of the prompt.
        dtype: float32 or bfloat16, for both sides.
    """
    cores = keep_to_two_cores()
    if sys.platform != "linux":
        sys.exit("sft_speed reads memory from /proc; run it on Linux")
    spawn = multiprocessing.get_context("spawn")
    told: dict[str, list[Step]] = {name: [] for name in ("ontick", "trl", "trl_checkpointing")}
    counts = {"ontick": steps, "trl": steps, "trl_checkpointing": min(2, steps)}
    losses: dict[str, float] = {}
    with ExitStack() as stack:
        lines: dict[str, Any] = {}
        processes: list[Any] = []
        for name in told:
            here, there = spawn.Pipe()
            process = spawn.Process(target=run_side, args=(name, layout, dtype, counts[name], there), daemon=True)
            process.start()
            processes.append(process)
            there.close()
            stack.callback(process.kill)
            lines[name] = here
        for number in range(steps):
            for name, line in lines.items():
                if number < counts[name]:
                    line.send("go")
                    told[name].append(line.recv())
        for name, line in lines.items():
            line.send("end")
            losses[name] = line.recv()
        for process in processes:
            process.join()
    step_s = {name: float(np.median([step.elapsed_s for step in made[1:]])) for name, made in told.items()}
    memory_mb = {name: made[0].memory_mb for name, made in told.items()}
    print_last_line(
        "sft_speed",
        {
            **{f"{name}_step_s": value for name, value in step_s.items()},
            **{f"{name}_examples_per_s": BATCH / value for name, value in step_s.items()},
            **{f"{name}_memory_mb": value for name, value in memory_mb.items()},
            **{f"{name}_first_loss": value for name, value in losses.items()},
            "times_faster_than_trl": min(step_s["trl"], step_s["trl_checkpointing"]) / step_s["ontick"],
            "first_loss_difference": abs(losses["ontick"] - losses["trl"]),
            "memory_over_trl": memory_mb["ontick"] / memory_mb["trl"],
            "memory_over_trl_checkpointing": memory_mb["ontick"] / memory_mb["trl_checkpointing"],
            "layout": layout.value,
            "dtype": dtype,
            "steps": steps,
            "cores": cores,
        },
        MUST,
    )


if __name__ == "__main__":
    tyro.cli(main)
