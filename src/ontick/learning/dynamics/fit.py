"""How does a small network learn what a tick changes? Huber loss on scaled changes, AdamW, with PyTorch.

First it learns one tick ahead, which is quick; then several ticks ahead on its own predictions, so that what it gets
wrong at one tick does not grow at the next ones. The Huber loss, and a scale in which the largest hundredth of the
changes has no part, keep jumps (an angle that wraps, a contact) from spoiling the rest. Flags learn by cross entropy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn, optim

from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.forward.fitted import Array, Dynamics
from ontick.learning.cloning import endless_order, one_thread
from ontick.learning.dynamics.settings import DynamicsSettings
from ontick.learning.dynamics.traces import Trace

_torch: Any = torch
"""PyTorch leaves much of itself untyped."""

JUMPS = 0.01
"""The share of the changes, the largest, that have no part in a feature's scale."""
ROOM = 0.25
"""How far beyond what was flown a state may be foreseen, in the range that was flown."""
WEIGHT_DECAY = 1e-4
SMALLEST = 1e-9
"""A feature that spreads less does not change."""
TELL_EVERY = 100


def fit(
    traces: Sequence[Trace], rows: int, legal: int, settings: DynamicsSettings, progress: Progress = silent
) -> Dynamics:
    """Return a one-step model of what the traces show.

    Args:
        traces: what was flown; at least one change.
        rows: how many actions are told apart.
        legal: how many of them a controller chooses from.
        settings: how.
        progress: told of the steps.

    Raises:
        OntickError: the loss is no number any more.
    """
    with one_thread(), _torch.random.fork_rng(devices=[]):
        _torch.manual_seed(settings.seed)
        scaling = _Scaling(traces, legal)
        model = _Model(scaling, rows, settings.hidden)
        total = settings.steps + settings.unrolled
        for begin, steps, ahead, rate in (
            (0, settings.steps, 1, settings.learning_rate),
            (settings.steps, settings.unrolled, settings.ahead, settings.learning_rate / 3),
        ):
            flown = _Flown(traces, ahead)
            if not (steps and len(flown.starts)):
                continue
            for step, loss in _learn(model, flown, steps, rate, settings):
                progress(begin + step, total, f"loss {loss:.2g}, {ahead} tick{'' if ahead == 1 else 's'} ahead")
        return model.frozen()


class _Scaling:
    """How states and changes are scaled, and which features are flags."""

    def __init__(self, traces: Sequence[Trace], legal: int) -> None:
        states = np.concatenate([trace.states for trace in traces])
        changes = np.concatenate([np.abs(trace.states[1:] - trace.states[:-1]) for trace in traces])
        ordered: Array = np.sort(changes, axis=0)
        usual: Array = ordered[: max(1, round(len(changes) * (1 - JUMPS)))].mean(axis=0)
        every: Array = changes.mean(axis=0)
        low, high = states.min(axis=0), states.max(axis=0)
        self.legal = legal
        self.offset: Array = states.mean(axis=0)
        spread: Array = states.std(axis=0)
        self.scale = _or_one(spread)  # what never changes says nothing
        self.reach = _or_one(np.where(usual > 0, usual, every))
        self.lowest: Array = low - ROOM * (high - low)
        self.highest: Array = high + ROOM * (high - low)
        self.flags: npt.NDArray[np.bool_] = np.all((states == 0) | (states == 1), axis=0, keepdims=True)[0]


def _or_one(scale: Array) -> Array:
    return np.where(scale > SMALLEST, scale, 1.0)


class _Flown:
    """Where stretches of so many ticks begin, in the states and actions of all traces one after another."""

    def __init__(self, traces: Sequence[Trace], ahead: int) -> None:
        self.ahead = ahead
        self.states: Tensor = _tensor(np.concatenate([trace.states for trace in traces]))
        # An action for each state, so that both are found at one index; a trace's last acts in no stretch.
        padded = [np.append(trace.actions, 0) for trace in traces]
        self.actions: Tensor = _torch.from_numpy(np.concatenate(padded))
        firsts = accumulate((len(trace.states) for trace in traces), initial=0)
        self.starts: Tensor = _torch.from_numpy(
            np.concatenate(
                [
                    np.arange(first, first + max(0, len(trace.actions) - ahead + 1))
                    for first, trace in zip(firsts, traces, strict=False)
                ]
            )
        )


class _Model(nn.Module):
    """`Dynamics` as PyTorch trains it."""

    def __init__(self, scaling: _Scaling, rows: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self._scaling = scaling
        self.offset, self.scale, self.reach = map(_tensor, (scaling.offset, scaling.scale, scaling.reach))
        self.flags: Tensor = _torch.from_numpy(scaling.flags)
        self.rows = rows
        features = len(scaling.offset)
        sizes = (features + rows, *hidden, features)
        self.linear = nn.Linear(features + rows, features)
        self.layers = nn.ModuleList([nn.Linear(*widths) for widths in pairwise(sizes)])
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.bias.zero_()

    def outputs(self, states: Tensor, actions: Tensor) -> Tensor:
        """Return what a tick brings, scaled, shape (n, features)."""
        chosen: Any = nn.functional.one_hot(actions, self.rows)
        scaled: Any = _torch.cat([(states - self.offset) / self.scale, chosen.float()], -1)
        values = scaled
        for number, layer in enumerate(self.layers):
            values = layer(nn.functional.silu(values) if number else values)
        return values + self.linear(scaled)

    def loss(self, states: Tensor, actions: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss of one tick and the states that are foreseen, flags as probabilities."""
        outputs = self.outputs(states, actions)
        moved = states + outputs * self.reach
        plain = nn.functional.smooth_l1_loss(moved / self.reach, later / self.reach, reduction="none")
        flagged = nn.functional.binary_cross_entropy_with_logits(outputs, later.clamp(0, 1), reduction="none")
        losses: Any = _torch.where(self.flags, flagged, plain)
        foreseen: Any = _torch.where(self.flags, outputs.sigmoid(), moved)
        return losses.mean(), foreseen

    def frozen(self) -> Dynamics:
        """Return it for use with numpy: an action's column of weights and the bias become one row of biases."""
        features = len(self.offset)

        def split(layer: nn.Linear) -> tuple[Array, Array]:
            weight, bias = (part.detach().numpy().astype(np.float64) for part in (layer.weight, layer.bias))
            return weight[:, :features].T.copy(), weight[:, features:].T + bias

        first, *rest = (layer for layer in self.layers if isinstance(layer, nn.Linear))
        plain = [
            (layer.weight.detach().numpy().T.astype(np.float64), layer.bias.detach().numpy().astype(np.float64))
            for layer in rest
        ]
        scaling = self._scaling
        return Dynamics(
            offset=scaling.offset,
            scale=scaling.scale,
            reach=scaling.reach,
            lowest=scaling.lowest,
            highest=scaling.highest,
            flags=scaling.flags,
            linear=split(self.linear),
            layers=(split(first), *plain),
            legal=scaling.legal,
        )


def _learn(
    model: _Model, flown: _Flown, steps: int, rate: float, settings: DynamicsSettings
) -> Iterator[tuple[int, float]]:
    """Let the model learn as many ticks ahead as ``flown`` has in a stretch; yield a step and its loss now and then."""
    optimiser: Any = optim.AdamW(model.parameters(), rate, weight_decay=WEIGHT_DECAY)
    cosine: Any = optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    order = endless_order(len(flown.starts), settings.batch, settings.seed)
    for step in range(1, steps + 1):
        at = flown.starts[next(order)]
        states, loss = flown.states[at], torch.zeros(())
        for tick in range(flown.ahead):
            of_tick, states = model.loss(states, flown.actions[at + tick], flown.states[at + tick + 1])
            loss = loss + of_tick / flown.ahead
        optimiser.zero_grad()
        summed: Any = loss
        summed.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        cosine.step()
        if step % TELL_EVERY == 0 or step == steps:
            value = float(loss.detach())
            if not math.isfinite(value):
                raise OntickError(f"the loss is {value} at step {step}; lower --dynamics.learning-rate")
            yield step, value


def _tensor(values: npt.NDArray[np.float64]) -> Tensor:
    return _torch.from_numpy(values.astype(np.float32))
