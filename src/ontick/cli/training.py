"""The verb that trains: train. Its fields are the options."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import Shown, Task, TaskModule
from ontick.learning.balance import Balance
from ontick.learning.fitting import MlpSettings
from ontick.learning.mlp import MlpSetup, train_mlp
from ontick.report.dagger_tables import looks_table
from ontick.report.terminal import progress_bar

Datasets = Annotated[tuple[Path, ...], arg(metavar="DIR ...", help="Datasets that `ontick collect` made.")]
To = Annotated[Path, arg(metavar="DIR", help="The pilot's new folder.")]
From = Annotated[
    Path | None,
    arg(name="from", metavar="DIR", help="A pilot to go on from.", help_behavior_hint="(default: none)"),
]


class Method(StrEnum):
    """What is trained."""

    MLP = "mlp"
    """A small network on the state's numbers."""


@dataclass(frozen=True, kw_only=True)
class Train(Shown):
    """Teach a policy what the data shows: a small network (mlp)."""

    task: Positional[Task]
    method: Positional[Method]
    data: Datasets
    to: To
    from_: From = None
    balance: Balance = Balance.EQUAL
    """How much rare actions are helped."""
    task_module: TaskModule = None
    mlp: MlpSettings = field(default_factory=MlpSettings)
    """How a small network is trained."""

    def run(self) -> int:
        """Train and print."""
        with progress_bar(f"{self.task} {self.method}") as progress:
            result = train_mlp(self.setup(), progress)
        self.show(result, looks_table(result), f"pilot: {result['pilot']}")
        return 0

    def setup(self) -> MlpSetup:
        """Return what these options ask for."""
        data = tuple(folder.expanduser() for folder in self.data)
        parent = None if self.from_ is None else self.from_.expanduser()
        return MlpSetup(self.task, data, self.to.expanduser(), self.mlp, self.balance, parent, self.task_module)
