"""Who learns? One seam for small networks and language models, so that DAgger need not know which flies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ontick.controllers.mlp import load_mlp
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.learning.dataset import Dataset
from ontick.learning.fitting import settings_of
from ontick.learning.flock import ManyPolicy
from ontick.learning.mlp import Lesson, learn
from ontick.learning.sft.settings import KeepChanges
from ontick.pilots.card import Kind, PilotCard, read_card
from ontick.pilots.weights import need_transformers
from ontick.tasks.base import Task


class Start(StrEnum):
    """From which weights a round of learning begins; the pilot descends from its parent either way."""

    PARENT = "parent"
    """The parent's."""
    BASE = "base"
    """The base model's, or new ones."""


class Learner(Protocol):
    """Learns from demonstrations in the way in which some pilot learnt, and flies what comes of it."""

    def learn(
        self,
        datasets: Sequence[Dataset],
        weights: npt.NDArray[np.float64],
        to: Path,
        *,
        parent: Path,
        start: Start,
        progress: Progress = silent,
    ) -> Path:
        """Write the pilot's folder ``to``, whole or not at all, and return it.

        Args:
            datasets: what is learnt from, one after another.
            weights: how much each of their states counts, shape (n,), mean 1.
            to: a folder that is not there yet.
            parent: the pilot that the new one descends from.
            start: from which weights it begins.
            progress: told how far it has come.

        Raises:
            OntickError: the training failed, or the folder cannot be written.
        """
        ...

    def policy(self, pilot: Path) -> ManyPolicy:
        """Return what flies a pilot of this kind.

        Raises:
            OntickError: the pilot is damaged, or for another task.
        """
        ...


class MlpLearner:
    """Learns as a small network did, by the settings on its card."""

    def __init__(self, task: Task, pilot: Path, steps: int | None = None) -> None:
        self._task = task
        said = read_card(pilot).settings
        self._settings = settings_of(said)
        if steps is not None:
            self._settings = replace(self._settings, steps=steps)
        self._said = {"balance": said.get("balance")}

    def learn(
        self,
        datasets: Sequence[Dataset],
        weights: npt.NDArray[np.float64],
        to: Path,
        *,
        parent: Path,
        start: Start,
        progress: Progress = silent,
    ) -> Path:
        """Clone them, and keep the best."""
        said = {**self._said, "start": start}
        lesson = Lesson(self._task, datasets, weights, self._settings, parent, start is Start.PARENT, said)
        learn(lesson, to, progress)
        return to

    def policy(self, pilot: Path) -> ManyPolicy:
        """Return the network."""
        return load_mlp(pilot, self._task)


def learner_for(
    task: Task, pilot: Path, steps: int | None = None, keep: KeepChanges | None = None
) -> tuple[Learner, PilotCard]:
    """Return who learns as ``pilot`` did, and its card.

    Args:
        task: what it flies.
        pilot: its folder.
        steps: of the optimiser, where they are given.
        keep: what a language model rehearses, where that is to be other than it was.

    Raises:
        OntickError: the folder is no pilot, of another task, what trains its kind is not installed, or a small network
            is to rehearse something.
    """
    keep = keep or KeepChanges()
    card = read_card(pilot)
    if card.task != task.name:
        raise OntickError(f"{pilot} flies task {card.task!r}, not {task.name!r}; give another")
    if card.kind is Kind.MLP:
        if keep != KeepChanges():
            raise OntickError(f"{pilot} is a small network, which talks of nothing; leave out --keep")
        return MlpLearner(task, pilot, steps), card
    need_transformers("what trains language models")
    from ontick.learning.sft.learner import SftLearner

    return SftLearner(task, pilot, steps=steps, keep=keep), card
