"""The verb that trains: train. Its fields are the options, and each method has its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from rich.console import RenderableType
from tyro.conf import Positional, arg

from ontick.cli.options import Shown, Task, TaskModule
from ontick.errors import OntickError, missing_package
from ontick.evaluation.episodes import Progress
from ontick.learning.balance import Balance
from ontick.learning.dynamics.settings import DynamicsSettings
from ontick.learning.dynamics.train import DynamicsSetup, train_dynamics
from ontick.learning.fitting import MlpSettings
from ontick.learning.mlp import MlpSetup, train_mlp
from ontick.learning.sft import settings as sft
from ontick.models.catalog import EMBEDDED
from ontick.pilots.find import find_pilot
from ontick.prompts import PromptStyle
from ontick.records import Json
from ontick.report.dagger_tables import looks_table
from ontick.report.dynamics_tables import foresight_said, foresight_table
from ontick.report.terminal import progress_bar
from ontick.report.training_tables import evaluations_table, training_table


class Method(StrEnum):
    """What is learnt, and how."""

    MLP = "mlp"
    """A pilot: a small network on the state's numbers."""
    LORA = "lora"
    """A pilot: a language model's adapter."""
    FULL = "full"
    """A pilot: a whole language model."""
    DYNAMICS = "dynamics"
    """No pilot but a forward model, which foresees states: for --dynamics where something flies."""


Data = Annotated[
    tuple[Path, ...],
    arg(
        metavar="DIR ...",
        help="mlp, lora, full: datasets that `ontick collect` made.",
        help_behavior_hint="(dynamics: flies its own)",
    ),
]
To = Annotated[
    Path,
    arg(
        metavar="DIR",
        help="The pilot's or the forward model's folder; lora, full: the same command goes on after a kill.",
    ),
]
From = Annotated[
    str | None,
    arg(
        name="from",
        metavar="PILOT",
        help="A pilot to go on from; it decides the base, the prompt and the adapter's shape.",
        help_behavior_hint="(default: none)",
    ),
]
Balanced = Annotated[
    Balance | None,
    arg(
        help="How much rare actions are helped, by being drawn more often.",
        help_behavior_hint="(default: mlp: equal; lora, full: none)",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Train(Shown):
    """Teach a policy what data shows: a small network (mlp), or a language model by an adapter (lora) or whole (full).

    Or fit a forward model to flights of its own (dynamics).
    """

    task: Positional[Task]
    method: Positional[Method]
    to: To
    data: Data = ()
    from_: From = None
    balance: Balanced = None
    task_module: TaskModule = None
    mlp: MlpSettings = field(default_factory=MlpSettings)
    """mlp: the network and its steps."""
    dynamics: DynamicsSettings = field(default_factory=DynamicsSettings)
    """dynamics: the flights, the network and its steps."""
    base: Annotated[str, arg(metavar="MODEL", help="smollm2, gguf:PATH or hf:PATH_OR_HUB_ID.")] = EMBEDDED
    seed: int = 0
    """lora, full: of the order of the examples and of new weights."""
    dtype: str | None = None
    """What is computed in: float32, bfloat16 or float16; by default bfloat16 where it is faster."""
    device: str | None = None
    """cpu or cuda."""
    threads: int | None = None
    """Processor threads of each process; by default all cores."""
    unsloth: bool = False
    """Load the model with Unsloth, where it is installed with a GPU."""
    prompt: PromptStyle = field(default_factory=PromptStyle)
    """lora, full: how the model is asked, in training as in flight."""
    lora: sft.LoraOptions = field(default_factory=sft.LoraOptions)
    """lora: the adapter."""
    optimiser: sft.OptimiserOptions = field(default_factory=sft.OptimiserOptions)
    """lora, full: the steps."""
    selection: sft.SelectionOptions = field(default_factory=sft.SelectionOptions)
    """lora, full: which checkpoint is kept."""
    distil: sft.DistilOptions = field(default_factory=sft.DistilOptions)
    """lora, full: learn from how sure a small network is, in place of the data's labels."""
    keep: sft.KeepOptions = field(default_factory=sft.KeepOptions)
    """lora, full: rehearse general conversations, so that the model still talks."""

    def run(self) -> int:
        """Train and print."""
        _check_used(self)
        train = {Method.MLP: _train_network, Method.DYNAMICS: _fit_dynamics}.get(self.method, _train_language_model)
        with progress_bar(f"{self.task} {self.method}") as progress:
            result, readable = train(self, progress)
        if result is not None:
            self.show(result, *readable)
        return 0


Trained = tuple[Json | None, tuple[RenderableType, ...]]
"""What came of a training, and how it is shown; None in a process that is not the main one."""

_PILOTS = ("data", "from_", "balance")
_OPTIONS = {
    Method.MLP: (*_PILOTS, "mlp"),
    Method.DYNAMICS: ("dynamics",),
    **dict.fromkeys(
        (Method.LORA, Method.FULL),
        (
            *_PILOTS,
            "base",
            "seed",
            "dtype",
            "device",
            "threads",
            "unsloth",
            "prompt",
            "lora",
            "optimiser",
            "selection",
            "distil",
            "keep",
        ),
    ),
}
"""Which options a method uses, besides those that all do."""


def _check_used(asked: Train) -> None:
    """Refuse an option that the method would pass over."""
    known = Train.__dataclass_fields__
    for name in dict.fromkeys(name for names in _OPTIONS.values() for name in names):
        make: Callable[[], Any] | Any = known[name].default_factory
        plain = make() if callable(make) else known[name].default
        if name not in _OPTIONS[asked.method] and getattr(asked, name) != plain:
            others = [method.value for method, names in _OPTIONS.items() if name in names]
            raise OntickError(
                f"--{name.rstrip('_')} is for {' or '.join(others)}; leave it out, or train with another method"
            )


def _train_network(asked: Train, progress: Progress) -> Trained:
    parent = None if asked.from_ is None else find_pilot(asked.from_)
    data = tuple(folder.expanduser() for folder in asked.data)
    balance = asked.balance or Balance.EQUAL
    setup = MlpSetup(asked.task, data, asked.to.expanduser(), asked.mlp, balance, parent, asked.task_module)
    result = train_mlp(setup, progress)
    return result, (looks_table(result), _pilot_said(result))


def _fit_dynamics(asked: Train, progress: Progress) -> Trained:
    setup = DynamicsSetup(asked.task, asked.to.expanduser(), asked.dynamics, asked.task_module)
    result = train_dynamics(setup, progress)
    return result, (foresight_table(result), foresight_said(result))


def _train_language_model(asked: Train, progress: Progress) -> Trained:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "accelerate", "peft")):
        raise missing_package("what trains language models", "'ontick[train]'")
    from ontick.learning.sft.train import train_language_model

    settings = sft.SftSettings(
        method=sft.Method(asked.method),
        base=asked.base,
        prompt=asked.prompt,
        lora=asked.lora,
        optimiser=asked.optimiser,
        selection=asked.selection,
        distil=asked.distil,
        keep=asked.keep,
        seed=asked.seed,
        dtype=asked.dtype,
        device=asked.device,
        threads=asked.threads,
        unsloth=asked.unsloth,
    )
    balance = asked.balance or Balance.NONE
    setup = sft.SftSetup(asked.task, asked.data, asked.to, settings, asked.from_, balance, asked.task_module)
    result = train_language_model(setup, progress)
    if result is None:
        return result, ()
    return result, (training_table(result), evaluations_table(result), _pilot_said(result))


def _pilot_said(result: Json) -> str:
    return f"pilot: {result['pilot']}"
