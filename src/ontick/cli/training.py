"""The verb that trains: train. Its fields are the options."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import Shown, Task, TaskModule
from ontick.errors import missing_package
from ontick.learning.balance import Balance
from ontick.learning.sft.settings import (
    LoraOptions,
    Method,
    OptimiserOptions,
    SelectionOptions,
    SftSettings,
    SftSetup,
)
from ontick.models.catalog import EMBEDDED
from ontick.prompts import PromptStyle
from ontick.report.terminal import progress_bar
from ontick.report.training_tables import evaluations_table, training_table

Data = Annotated[tuple[Path, ...], arg(metavar="DIR ...", help="Datasets that `ontick collect` made.")]
To = Annotated[Path, arg(metavar="DIR", help="The pilot's folder; the same command goes on after a kill.")]
From = Annotated[
    str | None,
    arg(
        name="from",
        metavar="PILOT",
        help="A pilot to go on from; it decides the base, the prompt and the adapter's shape.",
        help_behavior_hint="(default: none)",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Train(Shown):
    """Teach a policy what the data shows: a language model by an adapter (lora) or with all its weights (full)."""

    task: Positional[Task]
    method: Positional[Method]
    data: Data
    to: To
    base: Annotated[str, arg(metavar="MODEL", help="smollm2, gguf:PATH or hf:PATH_OR_HUB_ID.")] = EMBEDDED
    from_: From = None
    balance: Balance = Balance.NONE
    """How much rare actions are helped, by being drawn more often."""
    seed: int = 0
    """Of the order of the examples and of new weights."""
    dtype: str | None = None
    """What is computed in: float32, bfloat16 or float16; by default bfloat16 where it is faster."""
    device: str | None = None
    """cpu or cuda."""
    threads: int | None = None
    """Processor threads of each process; by default all cores."""
    unsloth: bool = False
    """Load the model with Unsloth, where it is installed with a GPU."""
    task_module: TaskModule = None
    prompt: PromptStyle = field(default_factory=PromptStyle)
    """How the model is asked, in training as in flight."""
    lora: LoraOptions = field(default_factory=LoraOptions)
    """The adapter."""
    optimiser: OptimiserOptions = field(default_factory=OptimiserOptions)
    """The steps."""
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    """Which checkpoint is kept."""

    def run(self) -> int:
        """Train and print."""
        if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "accelerate", "peft")):
            raise missing_package("what trains language models", "'ontick[train]'")
        from ontick.learning.sft.train import train_language_model

        with progress_bar(f"{self.task} {self.method}") as progress:
            result = train_language_model(self.setup(), progress)
        if result is not None:
            self.show(result, training_table(result), evaluations_table(result), f"pilot: {result['pilot']}")
        return 0

    def setup(self) -> SftSetup:
        """Return what these options ask for."""
        settings = SftSettings(
            method=self.method,
            base=self.base,
            prompt=self.prompt,
            lora=self.lora,
            optimiser=self.optimiser,
            selection=self.selection,
            seed=self.seed,
            dtype=self.dtype,
            device=self.device,
            threads=self.threads,
            unsloth=self.unsloth,
        )
        return SftSetup(self.task, self.data, self.to, settings, self.from_, self.balance, self.task_module)
