"""Which small network says what is right in a state? ``mlp:PATH``, or ``pilot:`` and the name of a pilot that is one.

A network that flies better than the teacher is the better teacher. It is known by the id of its weights, which goes
with what it labelled.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ontick.controllers.mlp import MlpController, load_mlp
from ontick.errors import OntickError
from ontick.pilots.card import CARD, WEIGHTS, Kind, read_card, weights_id
from ontick.pilots.find import PREFIX, find_pilot
from ontick.records import State
from ontick.tasks.base import Task

MLP = "mlp:"

NETWORK_FORMS = (f"{MLP}PATH", f"{PREFIX}PATH of a small network")


class NetworkLabeller:
    """Says what a small network scores highest.

    Many states are read at once; each gets the label that it would get alone, since networks compute in double
    precision.
    """

    def __init__(self, network: MlpController, weights_id: str) -> None:
        self._network = network
        self.id = weights_id
        """Of its weights, as on a pilot's card."""

    def __call__(self, state: State) -> int:
        """Return what is right in one state, shape (features,)."""
        return int(self.label_many(state[None])[0])

    def label_many(self, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return what is right in each of ``states``, shape (n, features)."""
        return np.array(self._network.decide_many(states), dtype=np.int64)


def is_network_word(word: str) -> bool:
    """Say whether ``word`` is written as a small network's is."""
    return word.startswith((MLP, PREFIX))


class Network(NamedTuple):
    """A small network, and the id of its weights."""

    controller: MlpController
    id: str


def small_network(word: str, task: Task) -> Network:
    """Return the small network that ``word`` names, which must know at once what is right.

    Raises:
        OntickError: there is no such network, or it is damaged, of another task, for late answers, or a language model.
    """
    what = word.removeprefix(MLP)
    forms = " or ".join(NETWORK_FORMS)
    if not what or not is_network_word(word):
        raise OntickError(f"{word} names no small network; write {forms}")
    place = find_pilot(word) if word.startswith(PREFIX) else Path(what).expanduser()
    if (place / CARD).exists() and (kind := read_card(place).kind) is not Kind.MLP:
        raise OntickError(f"{word} is a pilot of kind {kind} and no small network; give {forms}")
    network = load_mlp(place, task)
    if network.outlook is not None:
        raise OntickError(
            f"{word} was trained for late answers, and must say here what is right at once; give a network that was "
            "trained for no latency"
        )
    return Network(network, weights_id([place / WEIGHTS[Kind.MLP] if place.is_dir() else place]))


def find_network(word: str, task: Task) -> NetworkLabeller:
    """Return the labeller that ``word`` names.

    Raises:
        OntickError: see `small_network`.
    """
    return NetworkLabeller(*small_network(word, task))


def labeller_id(labeller: object) -> str | None:
    """Return the id of the weights of whoever labels; None: it has none, being a teacher or a function."""
    return labeller.id if isinstance(labeller, NetworkLabeller) else None
