"""How long does an answer take? Latency models, written the same everywhere.

``0`` and ``40`` (constant, ms), ``lognormal:150,0.25`` (median ms, sigma of the logarithm),
``trace:FILE`` (drawn from a recorded run), ``measured`` (what the controller really takes).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Protocol

import numpy as np

from ontick.clock import Nanoseconds, ns_from_ms
from ontick.errors import OntickError
from ontick.records import Flight, decision_latencies_ms

NEVER: Nanoseconds = 2**62
"""An answer that does not arrive in any episode: 146 years."""

LONGEST_MS = 1e9
"""Eleven days: longer than any episode, and short enough that no arithmetic on it overflows."""

LARGEST_SIGMA = 10.0

_FORMS = "0, 40 (ms), lognormal:150,0.25 (median ms, sigma), trace:FILE or measured"


class LatencyStream(Protocol):
    """The latencies of one episode, asked for in the order in which its requests start."""

    def next(self, observation_tick: int, measured: Nanoseconds) -> Nanoseconds:
        """Return the latency of the request on ``o[observation_tick]``; ``measured`` is what the call took."""
        ...


class LatencyModel(Protocol):
    """A distribution of latencies."""

    def stream(self, seed: int) -> LatencyStream:
        """Return the latencies of one episode; the same seed gives the same ones."""
        ...


@dataclass(frozen=True)
class Constant:
    """Always the same latency."""

    ms: float

    def stream(self, seed: int) -> LatencyStream:
        """Return the same for every seed."""
        return _Constant(ns_from_ms(self.ms))

    def __str__(self) -> str:
        return f"{self.ms:g}"


@dataclass(frozen=True)
class Measured:
    """What the controller's call really took."""

    def stream(self, seed: int) -> Measured:
        """Return itself: there is nothing to draw."""
        return self

    def next(self, observation_tick: int, measured: Nanoseconds) -> Nanoseconds:
        """Return the measurement."""
        return measured

    def __str__(self) -> str:
        return "measured"


@dataclass(frozen=True)
class Lognormal:
    """``median_ms * exp(sigma * N(0, 1))``: a hosted API's typical shape, with its tail."""

    median_ms: float
    sigma: float

    def stream(self, seed: int) -> LatencyStream:
        """Draw independently, from the episode's own generator."""
        return _Lognormal(self, np.random.default_rng([_SALT, seed]))

    def __str__(self) -> str:
        return f"lognormal:{self.median_ms:g},{self.sigma:g}"


@dataclass(frozen=True)
class Trace:
    """Latencies of a recorded run, drawn with replacement."""

    source: Path
    recorded_ms: Sequence[float]

    def stream(self, seed: int) -> LatencyStream:
        """Draw independently, from the episode's own generator."""
        return _Trace(self, np.random.default_rng([_SALT, seed]))

    def __str__(self) -> str:
        return f"trace:{self.source}"


@dataclass(frozen=True)
class Replay:
    """The very latencies of one recorded episode: under the virtual clock they give it back tick for tick.

    A request that it does not know (an interrupted episode had more) never arrives.
    """

    by_observation_tick: Mapping[int, Nanoseconds]

    @classmethod
    def of(cls, flight: Flight) -> Replay:
        """Take the latencies of a recorded episode."""
        answers = flight.answers()
        return cls({answer.observation_tick: ns_from_ms(answer.latency_ms) for answer in answers})

    def stream(self, seed: int) -> Replay:
        """Return itself: there is nothing to draw."""
        return self

    def next(self, observation_tick: int, measured: Nanoseconds) -> Nanoseconds:
        """Return the recorded latency of the answer to this observation."""
        return self.by_observation_tick.get(observation_tick, NEVER)


_SALT = 0x6C6174656E6379
"""Keeps the latencies' random numbers apart from those of an environment with the same seed ("latency" in ASCII)."""


@dataclass(frozen=True)
class _Constant:
    latency: Nanoseconds

    def next(self, observation_tick: int, measured: Nanoseconds) -> Nanoseconds:
        return self.latency


@dataclass(frozen=True)
class _Lognormal:
    model: Lognormal
    rng: np.random.Generator

    def next(self, observation_tick: int, measured: Nanoseconds) -> Nanoseconds:
        return ns_from_ms(self.model.median_ms * math.exp(self.model.sigma * self.rng.standard_normal()))


@dataclass(frozen=True)
class _Trace:
    model: Trace
    rng: np.random.Generator

    def next(self, observation_tick: int, measured: Nanoseconds) -> Nanoseconds:
        return ns_from_ms(self.model.recorded_ms[int(self.rng.integers(len(self.model.recorded_ms)))])


def parse_latency(word: str) -> LatencyModel:
    """Read a latency model as the command line writes it.

    Raises:
        OntickError: the word is none of the known forms, or a number in it is negative or not finite.
    """
    kind, _, rest = word.strip().partition(":")
    if kind == "measured" and not rest:
        return Measured()
    if kind == "trace" and rest:
        return Trace(Path(rest), decision_latencies_ms(Path(rest)))
    if kind == "lognormal":
        numbers = [_number(part) for part in rest.split(",")]
        if len(numbers) == 2 and numbers[0] and numbers[1] is not None and numbers[1] <= LARGEST_SIGMA:
            return Lognormal(numbers[0], numbers[1])
    elif not rest:
        constant = _number(kind)
        if constant is not None:
            return Constant(constant)
    raise OntickError(f"bad latency model {word!r}; write {_FORMS}")


def quantile_ms(model: LatencyModel, share: float) -> float | None:
    """Return the latency that ``share`` of the answers do not exceed; None: the model does not tell beforehand."""
    match model:
        case Constant(ms):
            return ms
        case Lognormal(median_ms, sigma):
            return median_ms * math.exp(sigma * NormalDist().inv_cdf(share))
        case Trace(_, recorded_ms):
            return float(np.quantile(recorded_ms, share))
        case _:
            return None


def _number(text: str) -> float | None:
    """Read a number from 0 to `LONGEST_MS`, or return None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= LONGEST_MS else None
