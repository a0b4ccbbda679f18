"""What does a small network on the state's numbers decide? ``mlp.safetensors``, flown with numpy alone.

The file holds ``layer0.weight`` (out, in), ``layer0.bias`` (out,), ``layer1.weight``, … with a ReLU between layers, and
``input.offset`` and ``input.scale``, shape (in,): what the first layer sees is ``(input - offset) / scale``. Its
metadata's one entry, ``ontick``, is JSON and names the ``task``, its ``features`` and its ``actions``.

The input is the state; of a network that was trained for its dead time also the pending actions, of each one number
for every action that may act and one for an answer that has not come yet, of which one is 1 and the others 0, or all 0
where none is pending. The metadata then says so, as ``aware``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from ontick.controllers.base import Decision, Observation
from ontick.controllers.pending import Outlook
from ontick.dead_time import NO_MORE, UNDECIDED, Awareness
from ontick.errors import OntickError
from ontick.pilots.card import WEIGHTS, Kind, read_card
from ontick.pilots.weights import check_weights
from ontick.records import Json
from ontick.tasks.base import Task

Array32: TypeAlias = npt.NDArray[np.float32]

_METADATA = "ontick"

_safe_open: Any = safetensors.safe_open
"""safetensors leaves what it opens untyped."""


@dataclass(frozen=True, eq=False)
class Network:
    """The weights of a multilayer perceptron and the scaling of what it is given."""

    layers: tuple[tuple[Array32, Array32], ...]
    """Of each layer the weights (out, in) and the biases (out,)."""
    offset: Array32
    """Shape (in,), in the environment's own units."""
    scale: Array32
    """Shape (in,), in the environment's own units; positive."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """How wide it is from what it sees to the actions, such as (4, 16, 2)."""
        return (len(self.offset), *(len(bias) for _, bias in self.layers))

    @property
    def parameters(self) -> int:
        """How many numbers were learnt; the scaling is none of them."""
        return sum(weight.size + bias.size for weight, bias in self.layers)


@dataclass(frozen=True)
class Encoding:
    """How pending actions are put to a network."""

    features: int
    pending: int
    """Of how many ticks."""
    acting: int
    """How many actions may act, the no-op among them."""

    @staticmethod
    def of(task: Task, aware: Awareness) -> Encoding:
        """Return that of a network that is trained for its dead time."""
        return Encoding(len(task.features), aware.pending, max(len(task.actions), task.noop + 1))

    @property
    def inputs(self) -> int:
        """How many numbers the network sees."""
        return self.features + self.pending * (self.acting + 1)

    def inputs_of(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what the network sees of rows, shape (n, features + pending): shape (n, `inputs`).

        Of states alone, shape (n, features), it sees that nothing is pending.
        """
        codes = np.full((len(rows), self.pending), NO_MORE)
        told = rows[:, self.features :]
        codes[:, : told.shape[1]] = told
        kinds = np.array([*range(self.acting), UNDECIDED])
        hot = (codes[:, :, None] == kinds).reshape(len(rows), -1)
        return np.concatenate([rows[:, : self.features], hot], axis=1)


class MlpController:
    """Does what the network scores highest, for one state or for many at once.

    One that is made for its dead time (``aware``) is shown rows in place of states: see `ontick.controllers.pending`.
    """

    def __init__(self, network: Network, task: Task | None = None, aware: Awareness | None = None) -> None:
        self.network = network
        self.outlook = None if task is None or aware is None else Outlook(task, aware)
        self._encoding = None if task is None or aware is None else Encoding.of(task, aware)
        # In double precision a state's scores do not depend, as far as actions go, on what it is read together with.
        self._layers = [(weight.T.astype(np.float64), bias.astype(np.float64)) for weight, bias in network.layers]
        self._offset, self._scale = network.offset.astype(np.float64), network.scale.astype(np.float64)

    def reset(self, seed: int) -> None:
        """Forget what was answered in the episode before."""
        if self.outlook is not None:
            self.outlook.reset()

    def decide(self, observation: Observation) -> Decision:
        """Do what scores highest."""
        return self._highest(observation) if self.outlook is None else self.outlook.ask(observation, self._highest)

    def _highest(self, observation: Observation) -> Decision:
        scores = self.logits(observation.state[None])[0]
        scores -= scores.max()
        logprobs = scores - math.log(np.exp(scores).sum())
        return Decision(int(scores.argmax()), logprobs=tuple(logprobs.tolist()))

    def decide_many(self, states: npt.NDArray[Any]) -> Sequence[int]:
        """Return what scores highest in each of ``states``, shape (n, features)."""
        return self.logits(states).argmax(axis=1).tolist()

    def logits(self, states: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the actions' scores, shape (n, actions), for states of shape (n, features)."""
        seen = states if self._encoding is None else self._encoding.inputs_of(states)
        values = (seen - self._offset) / self._scale
        *hidden, (weight, bias) = self._layers
        for inner, shift in hidden:
            values = np.maximum(values @ inner + shift, 0.0)
        return values @ weight + bias


def load_mlp(path: Path, task: Task) -> MlpController:
    """Return what flies ``path``: a pilot's folder or a ``.safetensors`` file.

    Raises:
        OntickError: there is no such file, it is damaged, or it is for another task.
    """
    path = path.expanduser()
    if path.is_dir():
        card = read_card(path)
        if card.kind is not Kind.MLP:
            raise OntickError(f"{path} is a pilot of kind {card.kind}, not a small network; write pilot:{path}")
        check_weights(path, card)
        path = path / WEIGHTS[Kind.MLP]
    try:
        with _safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            names: list[str] = file.keys()
            tensors: dict[str, npt.NDArray[Any]] = {name: file.get_tensor(name) for name in names}
    except (OSError, safetensors.SafetensorError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise OntickError(f"cannot read {path} ({said}); give a pilot's folder or its {WEIGHTS[Kind.MLP]}") from error
    meant = _task_of(metadata)
    if meant not in {None, task.name}:
        raise OntickError(f"{path} flies task {meant!r}, not {task.name!r}; give another")
    aware = _aware_of(path, metadata)
    return MlpController(_network(path, tensors, task, aware), task, aware)


def network_bytes(network: Network, task: Task, aware: Awareness | None = None) -> bytes:
    """Return the file's content."""
    tensors = {"input.offset": network.offset, "input.scale": network.scale}
    for number, (weight, bias) in enumerate(network.layers):
        tensors |= {f"layer{number}.weight": np.ascontiguousarray(weight), f"layer{number}.bias": bias}
    names = [feature.name for feature in task.features]
    meant: Json = {"task": task.name, "features": names, "actions": list(task.actions)}
    if aware is not None:
        meant["aware"] = aware.as_json()
    # One entry alone: safetensors writes several in any order, and the same weights must have the same id.
    return safetensors.numpy.save(tensors, {_METADATA: json.dumps(meant)})


def _task_of(metadata: Mapping[str, str]) -> str | None:
    """Return which task a file says that it is for; None: it does not say."""
    try:
        return json.loads(metadata[_METADATA])["task"]
    except (KeyError, TypeError, ValueError):
        return None


def _aware_of(path: Path, metadata: Mapping[str, str]) -> Awareness | None:
    """Return for which dead time a file says that it was trained; None: for none."""
    try:
        found: Json | None = json.loads(metadata[_METADATA]).get("aware")
    except (KeyError, ValueError, AttributeError):
        return None
    try:
        return None if found is None else Awareness.from_json(found)
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(f"{path} does not say for which latency it was trained ({error}); train it again") from error


def _network(path: Path, tensors: dict[str, npt.NDArray[Any]], task: Task, aware: Awareness | None) -> Network:
    """Put a file's tensors together, or say what does not fit."""
    depth = sum(name.endswith(".weight") for name in tensors)
    wrong = OntickError(f"{path} holds no network for the states and actions of {task.name!r}; give another")
    try:
        layers = tuple((tensors[f"layer{n}.weight"], tensors[f"layer{n}.bias"]) for n in range(depth))
        network = Network(layers, tensors["input.offset"], tensors["input.scale"])
    except KeyError as error:
        raise wrong from error
    sizes = network.sizes
    shapes = [(weight.shape, bias.shape) for weight, bias in layers]
    fits = shapes == [((out, in_), (out,)) for in_, out in pairwise(sizes)]
    inputs = len(task.features) if aware is None else Encoding.of(task, aware).inputs
    if not (fits and depth and (sizes[0], sizes[-1]) == (inputs, len(task.actions))):
        raise wrong
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()) or not (network.scale > 0).all():
        raise OntickError(f"{path} holds numbers that are none; train it again")
    return network
