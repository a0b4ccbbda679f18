"""How does a language model learn again and again? As a pilot of its kind learnt before: for DAgger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.learning.dataset import Dataset, dead_time_of, joined
from ontick.learning.flock import ManyPolicy
from ontick.learning.sft.model import load_pilot
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.policy import BatchPolicy
from ontick.learning.sft.settings import KeepChanges, SftSettings, settings_of
from ontick.learning.sft.shared import SharedPrefix, fitting_reader
from ontick.learning.sft.tokens import Asker, shared_prefix
from ontick.learning.sft.train import fine_tune
from ontick.models.base import ModelOptions
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded
from ontick.pilots.card import read_card
from ontick.prompts import Prompt
from ontick.tasks.base import Task


class SftLearner:
    """Learns as the language model ``pilot`` did, by the settings on its card.

    In so many ``steps`` where they are given; ``keep`` changes what it rehearses.

    Raises:
        OntickError: the pilot is no language model.
    """

    def __init__(
        self,
        task: Task,
        pilot: Path,
        settings: SftSettings | None = None,
        *,
        steps: int | None = None,
        keep: KeepChanges | None = None,
    ) -> None:
        self._task = task
        self._settings = settings or settings_of(read_card(pilot).settings)
        if steps is not None:
            self._settings = replace(self._settings, optimiser=replace(self._settings.optimiser, steps=steps))
        if keep is not None:
            self._settings = replace(self._settings, keep=keep.of(self._settings.keep))

    def learn(
        self,
        datasets: Sequence[Dataset],
        weights: npt.NDArray[np.float64],
        to: Path,
        *,
        parent: Path,
        start: str = "parent",
        progress: Progress = silent,
    ) -> Path:
        """Write the pilot ``to``, whole or not at all, and return it; after a kill the same call goes on.

        Args:
            datasets: what is learnt from, one after another.
            weights: how much each of their states counts, shape (n,), mean 1.
            to: its folder.
            parent: the pilot that the new one descends from.
            start: ``parent`` begins with its weights, ``base`` with those of the model that it was tuned from.
            progress: told how far it has come.

        Raises:
            OntickError: the training failed, or the folder cannot be written.
        """
        demos = joined([dataset.demonstrations for dataset in datasets])
        alike = bool((weights == weights[0]).all())
        lesson = Lesson(
            demos,
            tuple(dataset.origin for dataset in datasets),
            None if alike else weights,
            "none" if alike else "given",
            dead_time_of(datasets),
        )
        fine_tune(self._task, lesson, self._settings, to, parent=parent, anew=start == "base", progress=progress)
        return to

    def policy(self, pilot: Path) -> ManyPolicy:
        """Return what flies a pilot of this kind, many states at once.

        Raises:
            OntickError: the pilot is damaged, or of another task.
        """
        return pilot_policy(self._task, pilot, ModelOptions(dtype=self._settings.dtype, device=self._settings.device))


def pilot_policy(task: Task, pilot: Path, options: ModelOptions | None = None) -> BatchPolicy:
    """Return a language model's pilot, asked many states at once by transformers.

    Raises:
        OntickError: the pilot is damaged, of another task, or no language model.
    """
    card = read_card(pilot)
    if card.task != task.name or card.prompt is None:
        raise OntickError(f"{pilot} is no language model that flies {task.name!r}; give another")
    loaded = load_pilot(pilot, card, options or ModelOptions())
    return batch_policy(loaded, Prompt(task, card.prompt))


def batch_policy(loaded: Loaded, prompt: Prompt) -> BatchPolicy:
    """Return a loaded model that is asked many states at once, calibrated if the prompt says so.

    Raises:
        OntickError: it cannot be asked so.
    """
    asker = Asker(prompt, Conversation(loaded.tokenizer, loaded.name))
    task = prompt.task
    prompts = [asker.prompt_tokens(example.state) for example in task.diagnostics[:4]]
    prompts = prompts or [asker.prompt_tokens([value] * len(task.features)) for value in (-0.2, 0.1)]
    shared = shared_prefix(prompts)
    reader = fitting_reader(loaded.model, prompts[0][:shared], [prompt[shared:] for prompt in prompts])
    policy = BatchPolicy(loaded.model, asker, shares=isinstance(reader, SharedPrefix))
    if prompt.style.calibrate:
        policy.even(np.stack(prompt.references).astype(np.float32))
    return policy
