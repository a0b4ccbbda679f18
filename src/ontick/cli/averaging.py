"""The verb that looks between a pilot and its base: average. Its fields are the options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import Shown, TaskModule
from ontick.learning.sft.settings import EXACT, SHARES, AverageSetup
from ontick.pilots.weights import need_transformers
from ontick.report.terminal import progress_bar
from ontick.report.training_tables import points_table


@dataclass(frozen=True, kw_only=True)
class Average(Shown):
    """Fly and question the weights between a pilot and its base model, and keep the best of them: no training."""

    pilot: Positional[Annotated[str, arg(metavar="PILOT", help="A language model's pilot: its folder, or pilot:NAME.")]]
    to: Annotated[Path, arg(metavar="DIR", help="The folder of the pilot that is best.")]
    shares: tuple[float, ...] = SHARES
    """How much of the pilot's change is in each: above 0 (the base), at most 1 (the pilot)."""
    episodes: int = 20
    """How many are flown at each, under the virtual clock with time frozen."""
    tradeoff: float = 0.5
    """What it counts to have kept the base's knowledge, from 0 (flying alone counts) to 1."""
    dtype: str = EXACT
    """What is computed in: float32, bfloat16 or float16. The last two are faster where the processor knows them, but
    round away some of a small change, and answers hang on that."""
    device: str | None = None
    """cpu or cuda."""
    task_module: TaskModule = None

    def run(self) -> int:
        """Look, write and print."""
        need_transformers("what averages language models")
        from ontick.learning.sft.averaging import average

        setup = AverageSetup(
            pilot=self.pilot,
            to=self.to.expanduser(),
            shares=self.shares,
            episodes=self.episodes,
            tradeoff=self.tradeoff,
            dtype=self.dtype,
            device=self.device,
            task_module=self.task_module,
        )
        with progress_bar(f"average {self.pilot}") as progress:
            result = average(setup, progress)
        self.show(result, points_table(result), f"pilot: {result['pilot']}")
        return 0
