"""The verbs for what is learnt from: collect, data, export, import. Their fields are the options."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import Asked, Learnt, Shown, Task, TaskModule
from ontick.learning.balance import Balance, balance_table
from ontick.learning.dataset import Dataset
from ontick.learning.exchange import Form, bring_in, export
from ontick.learning.gather import CollectSetup, gather, read_together
from ontick.learning.hindsight import Asked as AskedIn
from ontick.learning.seeds import TRAINING_SEED
from ontick.models.base import ModelOptions
from ontick.prompts import PromptStyle
from ontick.records import Json
from ontick.report.data_tables import data_parts, export_said
from ontick.report.terminal import progress_bar

Datasets = Annotated[tuple[Path, ...], arg(metavar="DATASET ...", help="Folders that collect made; joined.")]
AsForm = Annotated[
    Form, arg(name="as", help="chat: JSONL for TRL, Unsloth and Axolotl. minari: episodes for reinforcement learning.")
]
NewFolder = Annotated[Path, arg(metavar="FOLDER", help="A new folder.")]


@dataclass(frozen=True, kw_only=True)
class Collect(Asked, Learnt, Shown):
    """Demonstrations: someone flies with time frozen, or states are sampled; a labeller says what is right there.

    With a latency, what is right where the answer comes to act.
    """

    task: Positional[Task]
    to: NewFolder
    actor: str = "teacher"
    """Who flies: any controller, such as teacher, smollm2 or pilot:PATH."""
    labeller: str = "teacher"
    """Who says what is right: teacher, a small network (mlp:PATH, pilot:PATH), or python:FILE.py:NAME, a function from
    a state to an action."""
    noise: Annotated[
        tuple[str, ...],
        arg(
            metavar="WORD ...",
            help="none; actions:P, at each tick with probability P a random action is held for 1 to 4 ticks; pushes:P, "
            "a random blow. Several: the episodes are flown with each.",
        ),
    ] = ("none",)
    episodes: int = 100
    """How many episodes to fly with each noise."""
    seed: int = TRAINING_SEED
    """The seed of the first episode; the others count up from it, on through the noises."""
    box: Annotated[
        int,
        arg(
            metavar="N",
            help="How many states to sample evenly from the task's box, besides the flights. CartPole: x within 2.4 m, "
            "v 2 m/s, angle 0.21 rad, spin 2 rad/s; other tasks: Task.box.",
        ),
    ] = 0
    asked: Annotated[
        AskedIn | None,
        arg(
            help="--latency: start, the actor is asked in the state that a request begins with; landing, in the one in "
            "which its answer acts, as if it knew what is to come.",
            help_behavior_hint="(default: teacher: landing; others: start)",
        ),
    ] = None

    def run(self) -> int:
        """Collect, write and print."""
        setup = CollectSetup(
            self.task,
            self.actor,
            self.labeller,
            self.noise,
            self.episodes,
            self.seed,
            self.box,
            self.latency,
            self.in_flight,
            self.late,
            self.aim,
            self.asked,
            self.asking(),
            self.task_module,
        )
        to = self.to.expanduser()
        with progress_bar(f"{self.task} {self.actor}") as progress:
            result = shown(gather(setup, to, progress), [to], Balance.NONE)
        self.show(result, *data_parts(result), f"dataset: {to}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Data(Shown):
    """What datasets hold: states per source and action, before and after balancing."""

    datasets: Positional[Datasets]
    balance: Balance = Balance.NONE
    """How much rare actions are helped: none, sqrt or equal."""
    task_module: TaskModule = None

    def run(self) -> int:
        """Read and print."""
        folders = [folder.expanduser() for folder in self.datasets]
        with progress_bar("data"):
            _, dataset = read_together(folders, self.task_module)
        result = shown(dataset, folders, self.balance)
        self.show(result, *data_parts(result))
        return 0


@dataclass(frozen=True, kw_only=True)
class Export(Shown):
    """Write datasets for other tools: chat JSONL (TRL, Unsloth, Axolotl) or Minari."""

    datasets: Positional[Datasets]
    to: Annotated[Path, arg(metavar="FILE_OR_FOLDER", help="A new file for chat, a new folder for minari.")]
    as_: AsForm
    prompt: PromptStyle = field(default_factory=PromptStyle)
    """chat: how a language model is asked; ask it the same way when it flies."""
    render: Annotated[
        str | None,
        arg(
            metavar="MODEL",
            help="chat: apply the chat template of smollm2, gguf:PATH or hf:PATH_OR_HUB_ID and write text.",
            help_behavior_hint="(default: conversations)",
        ),
    ] = None
    model: ModelOptions = field(default_factory=ModelOptions)
    """How the model of --render is loaded."""
    task_module: TaskModule = None

    def run(self) -> int:
        """Write and print."""
        folders, to = [folder.expanduser() for folder in self.datasets], self.to.expanduser()
        with progress_bar("export") as progress:
            result = export(
                folders, to, self.as_, self.prompt, self.render, self.model, self.task_module, progress=progress
            )
        self.show(result, export_said(result))
        return 0


@dataclass(frozen=True, kw_only=True)
class Import(Shown):
    """Make a dataset of what export wrote, or of any Minari dataset of the task."""

    source: Positional[Annotated[Path, arg(metavar="FILE_OR_FOLDER", help="What to read.")]]
    task: Positional[Task]
    as_: AsForm
    to: NewFolder
    task_module: TaskModule = None

    def run(self) -> int:
        """Read, write and print."""
        to = self.to.expanduser()
        with progress_bar("import"):
            dataset = bring_in(self.source.expanduser(), self.task, to, self.as_, self.task_module)
        result = shown(dataset, [to], Balance.NONE)
        self.show(result, *data_parts(result), f"dataset: {to}")
        return 0


def shown(dataset: Dataset, folders: list[Path], balance: Balance) -> Json:
    """Return the object that ``collect --json`` and ``data --json`` print."""
    names: list[str] = dataset.card["actions"]
    return {
        **dataset.card,
        "folders": [str(folder) for folder in folders],
        "balance": balance.value,
        "table": balance_table(dataset.demonstrations.actions, names, balance),
    }
