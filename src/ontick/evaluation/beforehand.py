"""How late will the first answers be? What is known of a controller's latency before an episode's first has come."""

from __future__ import annotations

import time
from itertools import cycle, islice

import numpy as np

from ontick.clock import NS_PER_S, Nanoseconds
from ontick.controllers.base import Controller, Observation
from ontick.latency import LatencyModel, Measured
from ontick.tasks.base import Environment

DRAWS = 128
"""Enough for a model's p95 to be within a few per cent."""

TRIALS = 4
"""How often a controller is asked that is to be timed; once more before, to warm up."""

_SEED = 0x626566
"""Of the draws; any would do."""


def draws(model: LatencyModel) -> list[Nanoseconds]:
    """Draw from a latency model that says what it gives."""
    stream = model.stream(_SEED)
    return [stream.next(tick, 0) for tick in range(DRAWS)]


def timings(controller: Controller, env: Environment, seed: int, noop: int, spacing: Nanoseconds) -> list[Nanoseconds]:
    """Time a controller that has been reset on the first observations of an episode, the first call left out.

    Each observation is another one: a model that has just read the same prompt would answer too soon.
    """
    state, _ = env.reset(seed=seed)
    taken: list[Nanoseconds] = []
    for tick in range(1 + TRIALS):
        shown = np.array(state)
        began = time.perf_counter_ns()
        decision = controller.decide(Observation(shown, tick))
        taken.append(time.perf_counter_ns() - began + decision.delay)
        time.sleep(max(0, spacing - taken[-1]) / NS_PER_S)
        state, *_ = env.step(noop)
    return taken[1:]


def with_delay(own: list[Nanoseconds], delay: LatencyModel | None) -> list[Nanoseconds]:
    """Add draws of a delay to a controller's own latencies."""
    if delay is None or isinstance(delay, Measured):
        return own
    added = draws(delay)
    return [latency + more for latency, more in zip(islice(cycle(own), len(added)), added, strict=True)]
