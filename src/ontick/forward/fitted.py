"""What does a fitted one-step model foresee? ``dynamics.safetensors`` and its card, rolled forward with numpy alone.

With z = (state - offset) / scale and a row of biases for each action, the last one for a no-op beyond the actions, a
tick's output is ``linear(z) + network(z)``: a small network with SiLU between its layers, beside a linear map.
A feature changes by its output times ``reach`` and stays within ``lowest`` and ``highest``, a little more than what was
flown, so that no roll runs away; a flag, a feature that is only ever 0 or 1, is 1 where its output is positive.

The card, ``dynamics.json``, names the task, its features and actions, the flights, the settings and the errors on
flights that were held out. It is written last, so a folder with a card is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from ontick.errors import OntickError
from ontick.records import Json, State
from ontick.tasks.base import Task

WEIGHTS = "dynamics.safetensors"
CARD = "dynamics.json"

Array: TypeAlias = npt.NDArray[np.float64]

_load: Any = safetensors.numpy.load
"""safetensors leaves what it reads untyped."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """A fitted one-step model; with states of one dtype it gives states of the same."""

    offset: Array
    """Shape (features,), in the environment's own units; so are the next four."""
    scale: Array
    reach: Array
    """Of each feature, how far it changes for an output of 1."""
    lowest: Array
    highest: Array
    flags: npt.NDArray[np.bool_]
    """Which features are only ever 0 or 1, shape (features,)."""
    linear: tuple[Array, Array]
    """Weights (features, features) and, for each action, biases (actions, features)."""
    layers: tuple[tuple[Array, Array], ...]
    """Weights (in, out) and biases (out,); the first layer's are (actions, out), a row for each action."""
    legal: int
    """How many actions a controller chooses from; any other action is the no-op."""

    def __call__(self, observation: State, actions: Sequence[int]) -> State:
        """Return the observation that follows once each of ``actions`` has acted for a tick."""
        state = observation.astype(np.float64)
        for action in actions:
            state = self.step(state, self.place_of(action))
        return state.astype(observation.dtype)

    def place_of(self, action: int) -> int:
        """Return which row of the biases an action has."""
        return action if 0 <= action < self.legal else len(self.linear[1]) - 1

    def step(self, states: Array, places: int | npt.NDArray[np.int64]) -> Array:
        """Return the states a tick later, shape (features,) for one or (n, features) for n; ``places`` are rows."""
        scaled = (states - self.offset) / self.scale
        (first, biases), *rest = self.layers
        values = scaled @ first + biases[places]
        for weight, bias in rest:
            values = values * (0.5 + 0.5 * np.tanh(0.5 * values)) @ weight + bias
        weight, biases = self.linear
        values += scaled @ weight + biases[places]
        changed = np.minimum(np.maximum(states + values * self.reach, self.lowest), self.highest)
        return np.where(self.flags, values > 0, changed)

    @property
    def parameters(self) -> int:
        """How many numbers were learnt; the scalings are none of them."""
        return sum(weight.size + bias.size for weight, bias in (self.linear, *self.layers))


def rows_of(task: Task) -> int:
    """Return how many actions a forward model tells apart: the task's, and its no-op where it is none of them."""
    return len(task.actions) + (not 0 <= task.noop < len(task.actions))


def identity(task: Task) -> Json:
    """Return what a card says of the task, and what must be the same wherever the model is used."""
    return {
        "task": task.name,
        "features": [feature.name for feature in task.features],
        "actions": list(task.actions),
        "noop": task.noop,
    }


def dynamics_bytes(dynamics: Dynamics) -> bytes:
    """Return the content of `WEIGHTS`; the same model gives the same bytes."""
    tensors: dict[str, npt.NDArray[Any]] = {
        "offset": dynamics.offset,
        "scale": dynamics.scale,
        "reach": dynamics.reach,
        "lowest": dynamics.lowest,
        "highest": dynamics.highest,
        "flags": dynamics.flags.astype(np.uint8),
        "linear.weight": dynamics.linear[0],
        "linear.bias": dynamics.linear[1],
    }
    for number, (weight, bias) in enumerate(dynamics.layers):
        tensors |= {f"layer{number}.weight": weight, f"layer{number}.bias": bias}
    return safetensors.numpy.save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})


def weights_hash(content: bytes) -> str:
    """Return by which hash a card knows its weights."""
    return hashlib.sha256(content).hexdigest()[:16]


def read_dynamics(folder: Path, task: Task) -> Dynamics:
    """Read a fitted model of ``task``.

    Raises:
        OntickError: the folder holds none, a damaged one, or one of another task.
    """
    again = f"fit it with: ontick train {task.name} dynamics --to DIR"
    try:
        card: Json = dict(json.loads((folder / CARD).read_text()))
        content = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError, TypeError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else "its card is damaged"
        raise OntickError(f"{folder} is no forward model ({said}); {again}") from error
    for name, ours in identity(task).items():
        if card.get(name) != ours:
            raise OntickError(f"{folder} was fitted to the {name} {card.get(name)!r}, not to {ours!r}; {again}")
    try:
        if weights_hash(content) != card.get("id"):
            raise ValueError
        return _dynamics(_load(content), task)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise OntickError(f"{folder / WEIGHTS} is not the file that its card names; {again}") from error


def _dynamics(tensors: dict[str, npt.NDArray[Any]], task: Task) -> Dynamics:
    """Put a file's tensors together; ValueError or KeyError where they do not fit."""
    features, rows = len(task.features), rows_of(task)
    depth = sum(name.startswith("layer") for name in tensors) // 2
    layers = tuple((tensors[f"layer{n}.weight"], tensors[f"layer{n}.bias"]) for n in range(depth))
    names = ("offset", "scale", "reach", "lowest", "highest")
    offset, scale, reach, lowest, highest = (tensors[name] for name in names)
    dynamics = Dynamics(
        offset,
        scale,
        reach,
        lowest,
        highest,
        tensors["flags"].astype(np.bool_),
        (tensors["linear.weight"], tensors["linear.bias"]),
        layers,
        len(task.actions),
    )
    sizes = [features, *(bias.shape[-1] for _, bias in layers)]
    fits = (
        depth > 0
        and sizes[-1] == features
        and all(tensors[name].shape == (features,) for name in (*names, "flags"))
        and dynamics.linear[0].shape == (features, features)
        and all(weight.shape == ends for (weight, _), ends in zip(layers, pairwise(sizes), strict=True))
        and dynamics.linear[1].shape[0] == layers[0][1].shape[0] == rows
        and all(np.isfinite(tensor).all() for tensor in tensors.values())
        and bool((scale > 0).all())
    )
    if not fits:
        raise ValueError
    return dynamics
