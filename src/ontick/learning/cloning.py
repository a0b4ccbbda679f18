"""How does a small network learn to answer as a teacher does? Cross entropy, AdamW, with PyTorch.

A strong weight decay belongs to the method: it leaves a smooth policy, which flies better than the teacher's
hard edges where these are wrong (docs/log.md). The scaling of the states comes from the data.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn, optim

from ontick.controllers.mlp import Network
from ontick.errors import OntickError
from ontick.learning.fitting import STEPS, MlpSettings

_torch: Any = torch
"""PyTorch leaves much of itself untyped."""


class Look(NamedTuple):
    """The network as it is at some point of its training."""

    step: int
    loss: float
    """Mean over the steps since the last look."""
    network: Network


class Lessons(NamedTuple):
    """What is learnt from, n examples."""

    inputs: npt.NDArray[np.float32]
    """What the network is to see, shape (n, inputs)."""
    labels: npt.NDArray[np.int64]
    """Shape (n,)."""
    weights: npt.NDArray[np.float64]
    """How much each counts, shape (n,), mean 1."""
    values: int
    """How many of the inputs are a state's numbers; the others are 0 or 1."""


def clone(lessons: Lessons, actions: int, settings: MlpSettings, start: Network | None = None) -> Iterator[Look]:
    """Yield the network at each look; the last one is after the last step.

    Args:
        lessons: what is learnt from.
        actions: how many actions there are.
        settings: how, with nothing left to default.
        start: the network to go on from; None: new weights.

    Raises:
        OntickError: the loss is no number any more.
    """
    with one_thread():
        scaled = start or new_network(lessons, actions, settings)
        model = _module(scaled)
        decay = settings.decay(aware=lessons.values < lessons.inputs.shape[1])
        steps = settings.steps or STEPS
        optimiser: Any = optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=decay)
        cosine: Any = optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        states = _torch.from_numpy(((lessons.inputs - scaled.offset) / scaled.scale).astype(np.float32))
        labels = _torch.from_numpy(lessons.labels)
        counts = _torch.from_numpy(lessons.weights.astype(np.float32))
        order = endless_order(len(lessons.labels), settings.batch, settings.seed)
        ends = [round(steps * (look + 1) / settings.looks) for look in range(settings.looks)]
        for begin, end in pairwise((0, *ends)):
            total = torch.zeros(())
            for _ in range(begin, end):
                chosen = next(order)
                losses: Any = nn.functional.cross_entropy(model(states[chosen]), labels[chosen], reduction="none")
                loss: Any = (losses * counts[chosen]).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                cosine.step()
                total += loss.detach()
            mean = float(total) / (end - begin)
            if not math.isfinite(mean):
                raise OntickError(f"the loss is {mean} by step {end}; lower --mlp.learning-rate, or mend the data")
            yield Look(end, mean, _network(model, scaled))


def new_network(lessons: Lessons, actions: int, settings: MlpSettings) -> Network:
    """Return an untrained network, scaled by the mean and the spread of the states in the data."""
    inputs = lessons.inputs.shape[1]
    states = lessons.inputs[:, : lessons.values]
    spread = states.std(axis=0)
    sizes = (inputs, *settings.hidden, actions)
    with _torch.random.fork_rng(devices=[]):
        _torch.manual_seed(settings.seed)
        layers = [nn.Linear(*widths) for widths in pairwise(sizes)]
    beyond = (0, inputs - lessons.values)
    return Network(
        tuple((_array(layer.weight), _array(layer.bias)) for layer in layers),
        np.pad(states.mean(axis=0, dtype=np.float64), beyond).astype(np.float32),
        # What never changes says nothing.
        np.pad(np.where(spread > 1e-6, spread, 1), beyond, constant_values=1).astype(np.float32),
    )


def _module(network: Network) -> nn.Sequential:
    parts: list[nn.Module] = []
    for weight, bias in network.layers:
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(_torch.from_numpy(weight))
            layer.bias.copy_(_torch.from_numpy(bias))
        parts += [layer, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def _network(model: nn.Sequential, scaled: Network) -> Network:
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    return Network(tuple((_array(layer.weight), _array(layer.bias)) for layer in layers), scaled.offset, scaled.scale)


def _array(tensor: Tensor) -> npt.NDArray[np.float32]:
    return tensor.detach().numpy().copy()


def endless_order(n: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Yield the indices of each batch: every example once, in random order, then again."""
    generator = torch.Generator().manual_seed(seed)
    left = torch.empty(0, dtype=torch.long)
    while True:
        while len(left) < batch:
            left = torch.cat([left, torch.randperm(n, generator=generator)])
        yield left[:batch]
        left = left[batch:]


@contextmanager
def one_thread() -> Generator[None]:
    """Keep PyTorch to one thread: such small products are slower with two, and round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
