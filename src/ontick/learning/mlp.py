"""How does a small network become a pilot? Data is cloned, flown now and then, and the best of it is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ontick.controllers.mlp import Encoding, MlpController, Network, load_mlp, network_bytes
from ontick.dead_time import Awareness
from ontick.errors import OntickError, missing_package
from ontick.evaluation.episodes import Progress, silent
from ontick.evaluation.summary import summarise
from ontick.learning.balance import Balance, balance_weights
from ontick.learning.dataset import (
    Dataset,
    Demonstrations,
    check_new,
    dead_time_of,
    joined,
    new_folder,
    read_dataset,
    seed_ranges,
)
from ontick.learning.fitting import MlpSettings
from ontick.learning.flock import fly_together
from ontick.learning.seeds import SELECTION_SEED, check_apart
from ontick.pilots.card import WEIGHTS, Kind, PilotCard, read_card, weights_id, write_card
from ontick.records import Json
from ontick.tasks import find_task
from ontick.tasks.base import Task


@dataclass(frozen=True)
class MlpSetup:
    """Everything that decides how a small network is trained."""

    task: str
    data: tuple[Path, ...]
    """Folders of datasets."""
    to: Path
    """The pilot's folder, which must not be there yet."""
    settings: MlpSettings = field(default_factory=MlpSettings)
    balance: Balance = Balance.EQUAL
    parent: Path | None = None
    """The pilot to go on from."""
    task_module: str | None = None


@dataclass(frozen=True)
class Lesson:
    """What one training learns from."""

    task: Task
    datasets: Sequence[Dataset]
    weights: npt.NDArray[np.float64]
    """How much each of their states counts, shape (n,), mean 1."""
    settings: MlpSettings
    parent: Path | None = None
    """The pilot that the new one descends from."""
    from_parent: bool = True
    """Whether its weights are gone on from; else they are new."""
    said: Json = field(default_factory=dict[str, object])
    """What else the card's settings say."""


def train_mlp(setup: MlpSetup, progress: Progress = silent) -> Json:
    """Train a small network and write its pilot's folder; return what `train --json` prints.

    Raises:
        OntickError: something named is missing or does not fit, or the training failed; nothing is written then.
    """
    setup.settings.check()
    task = find_task(setup.task, setup.task_module)
    if not setup.data:
        raise OntickError("there is nothing to learn from; give --data DIR, made with: ontick collect")
    check_new(setup.to)
    datasets = [read_dataset(folder, task) for folder in setup.data]
    actions = np.concatenate([dataset.demonstrations.actions for dataset in datasets])
    weights = balance_weights(actions, len(task.actions), setup.balance)
    said: Json = {"balance": setup.balance, "data": [str(folder) for folder in setup.data]}
    card = learn(Lesson(task, datasets, weights, setup.settings, setup.parent, said=said), setup.to, progress)
    return {
        "task": task.name,
        "pilot": str(setup.to),
        "id": card.id,
        "version": card.version,
        "parent": card.parent,
        "n": len(actions),
        "settings": card.settings,
        **card.metrics,
    }


def learn(lesson: Lesson, to: Path, progress: Progress = silent) -> PilotCard:
    """Clone, keep the best look, and write its pilot's folder ``to``, whole or not at all.

    Raises:
        OntickError: the data does not fit, the training failed, or the folder cannot be written.
    """
    task = lesson.task
    demos = joined([dataset.demonstrations for dataset in lesson.datasets])
    start, settings, aware = _beginning(lesson, demos)
    selection = range(SELECTION_SEED, SELECTION_SEED + settings.episodes)
    seeds = [pair for dataset in lesson.datasets for pair in dataset.card["seeds"]]
    check_apart(seeds, selection)
    parent = None if lesson.parent is None else read_card(lesson.parent)
    began = time.perf_counter()
    best, looks = _best(lesson, demos, start, settings, aware, selection, progress)
    content = network_bytes(best.network, task, aware)
    chosen = looks[best.number]
    ranges = {(first, last) for first, last in [*seeds, *seed_ranges(selection), *(parent.seeds if parent else ())]}
    card = PilotCard(
        name=to.name,
        kind=Kind.MLP,
        task=task.name,
        id=weights_id({WEIGHTS[Kind.MLP]: content}),
        version=1 if parent is None else parent.version + 1,
        parent=None if parent is None else parent.id,
        data=tuple(dataset.origin for dataset in lesson.datasets),
        seeds=tuple(sorted(ranges)),
        aware=aware,
        settings={**settings.as_json(), "sizes": list(best.network.sizes), **lesson.said},
        metrics={
            "parameters": best.network.parameters,
            "steps": chosen["step"],
            "loss": chosen["loss"],
            "train_s": time.perf_counter() - began,
            "looks": looks,
            "evaluation": best.summary,
        },
    )
    with new_folder(to) as partial:
        (partial / WEIGHTS[Kind.MLP]).write_bytes(content)
        write_card(partial, card)
    return card


@dataclass(frozen=True)
class _Best:
    number: int
    network: Network
    summary: Json


def _beginning(lesson: Lesson, demos: Demonstrations) -> tuple[Network | None, MlpSettings, Awareness | None]:
    """Return the network to go on from, None for a new one, the settings with its widths, and what it is shown."""
    task, settings = lesson.task, lesson.settings
    dead_time = dead_time_of(lesson.datasets)
    aware = None if dead_time is None else Awareness(dead_time, demos.pending.shape[1], settings.memory)
    resolved = settings.resolved(len(task.features), aware=aware is not None and aware.pending > 0)
    if lesson.parent is None or not lesson.from_parent:
        return None, resolved, aware
    parent = load_mlp(lesson.parent, task)
    widths = parent.network.sizes[1:-1]
    if settings.hidden not in {(), widths}:
        sizes = "-".join(map(str, parent.network.sizes))
        raise OntickError(f"{lesson.parent} is a network of {sizes}; leave --mlp.hidden out to go on from it")
    was = None if parent.outlook is None else parent.outlook.aware
    if aware is not None and was is not None:
        aware = replace(aware, pending=was.pending)
    if aware != was:
        raise OntickError(
            f"{lesson.parent} was trained {_for(was)}, and the data was collected {_for(aware)}; begin without --from, "
            "or with other data"
        )
    return parent.network, replace(resolved, hidden=widths), aware


def _for(aware: Awareness | None) -> str:
    return "for no latency" if aware is None else f"for {aware}"


def _best(
    lesson: Lesson,
    demos: Demonstrations,
    start: Network | None,
    settings: MlpSettings,
    aware: Awareness | None,
    selection: range,
    progress: Progress,
) -> tuple[_Best, list[Json]]:
    """Return the look that flew best, and what each came to."""
    try:
        from ontick.learning.cloning import Lessons, clone
    except ImportError as error:
        raise missing_package("PyTorch, which trains,", "'ontick[train]'") from error
    task = lesson.task
    inputs = demos.states
    if aware is not None:
        inputs = Encoding.of(task, aware).inputs_of(demos.rows(aware.pending, memory=aware.memory))
    lessons = Lessons(inputs, demos.actions, lesson.weights, len(task.features))
    best: _Best | None = None
    looks: list[Json] = []
    for look in clone(lessons, len(task.actions), settings, start):
        flown = MlpController(look.network, task, aware)
        summary = summarise(task, fly_together(task, flown, selection, aware=aware))
        found = {name: summary[name] for name in ("n", task.success, "success_rate", "reward_mean")}
        looks.append({"step": look.step, "loss": look.loss, **found})
        progress(look.step, settings.steps or look.step, f"{summary[task.success]}/{summary['n']} {task.success}")
        if best is None or standing(summary) >= standing(best.summary):
            best = _Best(len(looks) - 1, look.network, summary)
    assert best is not None, "the last step is always looked at"
    return best, looks


def standing(summary: Json) -> tuple[float, float]:
    """Return by what one evaluation is better than another: successes first, then the mean reward."""
    return summary["success_rate"], summary["reward_mean"]
