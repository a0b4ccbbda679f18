"""What is known before a training begins? What is learnt from, by which model, and where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ontick.dead_time import Awareness, DeadTime
from ontick.learning.balance import Balance, balance_weights
from ontick.learning.dataset import Dataset, Demonstrations, dead_time_of, joined
from ontick.learning.sft.folder import TrainingFolder
from ontick.learning.sft.keeping import Kept
from ontick.learning.sft.model import Parent, Student
from ontick.learning.sft.settings import SftSettings
from ontick.learning.sft.shared import BatchReader
from ontick.learning.sft.tokens import Examples, draw_order, with_conversations
from ontick.records import Json
from ontick.tasks.base import Task


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt from."""

    demos: Demonstrations
    data: tuple[Json, ...] = ()
    """For each dataset its ``hash``, ``n`` and ``per_source``, for the pilot's card."""
    weights: npt.NDArray[np.float64] | None = None
    """How often each is drawn, relative to the others, shape (n,); None: all alike."""
    balance: str = "none"
    """Where the weights come from, in a word."""
    dead_time: DeadTime | None = None
    """The dead time that the data was collected for."""


def lesson_of(datasets: Sequence[Dataset], n_actions: int, balance: Balance) -> Lesson:
    """Return what is learnt from several datasets together."""
    demos = joined([dataset.demonstrations for dataset in datasets])
    weights = None if balance is Balance.NONE else balance_weights(demos.actions, n_actions, balance)
    return Lesson(demos, tuple(dataset.origin for dataset in datasets), weights, balance.value, dead_time_of(datasets))


class Plan(NamedTuple):
    """What is known before the training begins."""

    task: Task
    settings: SftSettings
    lesson: Lesson
    student: Student
    examples: Examples
    reader: BatchReader
    folder: TrainingFolder
    args: Any
    """A ``TrainingArguments``."""
    parent: Parent | None
    digest: str
    """SHA-256 of the base's weights."""
    kept: Kept = Kept()
    """What keeps it near its base."""

    @property
    def aware(self) -> Awareness | None:
        """What the pilot is to be shown of its dead time. A language model does not know what it has not said yet."""
        dead_time = self.lesson.dead_time
        return None if dead_time is None else Awareness(dead_time, self.settings.prompt.pending, memory=False)

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """What is learnt from when: a number of an example, or of a conversation n, written ~n."""
        settings, optimiser = self.settings, self.settings.optimiser
        count, seed = optimiser.steps * optimiser.batch, settings.seed
        order = draw_order(len(self.lesson.demos), count, seed, self.lesson.weights)
        if self.kept.keeper is None:
            return order
        rehearsed = draw_order(len(self.kept.keeper), settings.conversations_drawn, seed)
        return with_conversations(order, rehearsed, optimiser.steps * self.args.world_size * optimiser.accumulate)

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """What the model is shown of each example, shape (n, features + pending)."""
        return self.lesson.demos.rows(self.settings.prompt.pending)
