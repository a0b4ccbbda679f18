"""Where do demonstrations come from? Someone flies or a box is sampled, and a labeller says what is right there.

The actor who flies and the labeller who judges are two: teacher and teacher give demonstrations, with noise they show
how to recover (DART: Laskey et al., 2017), a student and the teacher give DAgger's data (Ross et al., 2011).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.pending import Aware, Outlook
from ontick.dead_time import Awareness, DeadTime
from ontick.errors import OntickError, blame
from ontick.evaluation.episodes import Progress, silent
from ontick.learning.dataset import Demonstrations, demonstrations, joined
from ontick.learning.flock import FROZEN, Air, Dress, ManyPolicy, fly_in_groups
from ontick.learning.hindsight import Asked, Label, Rehearsal, examples, full_outlook
from ontick.learning.network_labeller import NETWORK_FORMS, NetworkLabeller, find_network, is_network_word
from ontick.learning.noise import Noise
from ontick.plugins import load_attribute
from ontick.records import Flight, State
from ontick.tasks.base import Task, no_teacher

Labeller: TypeAlias = Callable[[State], int]
"""Says which action is right in a state, shape (features,), float32."""

BOX = "box"
"""The source of states that were sampled and not flown."""


def teacher_of(task: Task) -> Labeller:
    """Return the task's teacher as a labeller; it reads the constants of an environment of its own.

    Raises:
        OntickError: the task has none.
    """
    if not task.has_teacher:
        raise no_teacher(task)
    env = task.make()
    return lambda state: task.teacher(env, state)


def find_labeller(word: str, task: Task) -> Labeller:
    """Return the labeller that ``teacher``, ``mlp:PATH``, ``pilot:PATH`` or ``python:FILE.py:NAME`` names.

    NAME is a function of a state; a class is made with the task first. A pilot must be a small network.

    Raises:
        OntickError: there is no such labeller, or it cannot be loaded.
    """
    if word == "teacher":
        return teacher_of(task)
    if is_network_word(word):
        return find_network(word, task)
    if not word.startswith("python:"):
        forms = ", ".join(("teacher", *NETWORK_FORMS))
        raise OntickError(f"unknown labeller {word!r}; give {forms} or python:FILE.py:NAME")
    found = load_attribute(word.removeprefix("python:"))
    try:
        labeller = found(task) if isinstance(found, type) else found
    except Exception as error:
        raise OntickError(f"{word} could not be made: {blame(error)}") from error
    if not callable(labeller):
        raise OntickError(f"{word} cannot be called with a state; give a function that returns an action")
    return cast(Labeller, labeller)


def collect(
    task: Task,
    actor: ManyPolicy | Controller,
    labeller: Labeller,
    noise: Noise,
    seeds: Sequence[int],
    *,
    source: str,
    dead_time: DeadTime | None = None,
    asked: Asked = Asked.LANDING,
    aware: Awareness | None = None,
    progress: Progress = silent,
) -> Demonstrations:
    """Fly one episode for each seed with time frozen and label every state passed through, or under a dead time.

    A policy that answers many states at once flies its episodes together, a controller one after another; the noise
    is around either. ``acted`` is what was done, noise and all. Under a ``dead_time`` every answer that acts is an
    example (`ontick.learning.hindsight`).

    Args:
        task: what is flown.
        actor: who flies.
        labeller: who says what is right.
        noise: what disturbs; of actions, whatever the actor answers.
        seeds: of the episodes.
        source: the word for who flew.
        dead_time: what is flown under; None: time is frozen.
        asked: in which state the actor is asked under a dead time.
        aware: what an actor that is asked at the start is shown; None: the state.
        progress: told of each episode.

    Raises:
        OntickError: the actor, the labeller or the environment failed, or the labeller's action is none of the task's.
        KeyboardInterrupt: the user pressed Ctrl-C.
    """

    def wanted(states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        return label(task, labeller, states)

    parts: list[Demonstrations] = []

    def keep(flight: Flight, part: Demonstrations) -> None:
        parts.append(part)
        progress(len(parts), len(seeds), f"{flight.episode.outcome} after {flight.episode.steps} steps")

    if dead_time is None:
        for flight in _flights(task, actor, noise, seeds):
            keep(flight, _at_once(flight, wanted, source))
    elif asked is Asked.LANDING:
        rehearsal = Rehearsal(task, dead_time, wanted)
        for flight in _flights(task, actor, noise, seeds, rehearsal.around, rehearsal.first_air):
            again, outlook = rehearsal.again(flight, noise.make(task))
            keep(again, examples(again, outlook, wanted, source))
    else:
        shown: dict[int, Outlook] = {}

        def watched(controller: Controller) -> Controller:
            outlook = full_outlook(task, dead_time) if aware is None else Outlook(task, aware)
            return _Watched(Aware(controller, outlook, plain=aware is None), shown)

        for flight in _flights(task, actor, noise, seeds, watched, Air.of(dead_time)):
            keep(flight, examples(flight, shown.pop(flight.episode.seed), wanted, source))
    return joined(parts)


def _at_once(flight: Flight, wanted: Label, source: str) -> Demonstrations:
    """Return an example for every state of a flight."""
    states = np.array([tick.observation for tick in flight.ticks], dtype=np.float32)
    acted = [tick.action for tick in flight.ticks]
    seed, ticks = flight.episode.seed, np.arange(len(states))
    return demonstrations(states, wanted(states), source, acted=acted, seeds=seed, ticks=ticks)


class _Watched:
    """Keeps what was shown in each episode, by its seed."""

    def __init__(self, inner: Aware, shown: dict[int, Outlook]) -> None:
        self._inner = inner
        self._shown = shown

    def reset(self, seed: int) -> None:
        """Begin an episode."""
        self._inner.reset(seed)
        self._shown[seed] = self._inner.outlook

    def decide(self, observation: Observation) -> Decision:
        """Ask."""
        return self._inner.decide(observation)


def sample_box(task: Task, labeller: Labeller, n: int, seed: int) -> Demonstrations:
    """Label ``n`` states drawn uniformly from the task's `Task.sampling_box`; a feature without decimals is a whole.

    Raises:
        OntickError: the labeller failed, or its action is none of the task's.
    """
    rng = np.random.default_rng([_SALT, seed])
    columns = [
        rng.integers(round(low), round(high), n, endpoint=True) if not feature.decimals else rng.uniform(low, high, n)
        for feature, (low, high) in zip(task.features, task.sampling_box, strict=True)
    ]
    states = np.stack(columns, axis=1).astype(np.float32)
    return demonstrations(states, label(task, labeller, states), BOX)


def label(task: Task, labeller: Labeller, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return what ``labeller`` wants in each of ``states``, shape (n, features), which it cannot write into.

    Raises:
        OntickError: it failed, or its action is none of the task's.
    """
    shown = states.view()
    shown.flags.writeable = False
    if isinstance(labeller, NetworkLabeller):
        return labeller.label_many(shown)
    return np.array([_ask(task, labeller, state) for state in shown], dtype=np.int64)


def _ask(task: Task, labeller: Labeller, state: State) -> int:
    try:
        said: Any = labeller(state)
    except OntickError:
        raise
    except (Exception, SystemExit) as error:
        raise OntickError(f"the labeller failed in the state {_say(task, state)}: {blame(error)}") from error
    try:
        action = operator.index(said)
    except TypeError:
        action = -1
    if not 0 <= action < len(task.actions):
        raise OntickError(
            f"the labeller says {said!r} in the state {_say(task, state)}, which is no action of {task.name!r}; "
            f"let it return 0 to {len(task.actions) - 1}"
        )
    return action


def _say(task: Task, state: State) -> str:
    return ", ".join(f"{feature.name} {value:.4g}" for feature, value in zip(task.features, state, strict=True))


def _flights(
    task: Task,
    actor: ManyPolicy | Controller,
    noise: Noise,
    seeds: Sequence[int],
    around: Dress = lambda disturbed: disturbed,
    air: Air = FROZEN,
) -> Iterator[Flight]:
    """Yield the flights in the order of the seeds, each as soon as it can be had; ``around`` is around the noise."""
    if isinstance(actor, Controller) and not hasattr(actor, "decide_many"):
        env, controller = noise.make(task), around(noise.around(actor, task))
        for seed in seeds:
            yield air.fly(task, env, controller, seed)
        return
    for group in fly_in_groups(
        task,
        cast(ManyPolicy, actor),
        seeds,
        dress=lambda seat: around(noise.around(seat, task)),
        make=lambda: noise.make(task),
        air=air,
    ):
        yield from group


_SALT = 0x626F78
"""Keeps the box's random numbers apart from the flights' ("box" in ASCII)."""
