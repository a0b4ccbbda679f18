"""What is a controller? Something that is shown an observation and, some time later, has an answer."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from ontick.clock import Nanoseconds
from ontick.records import State


class Observation(NamedTuple):
    """What a controller is shown when it starts on a decision."""

    state: State
    """Shape (features,), in the environment's own units."""
    tick: int
    """``o[tick]``: the state that tick ``tick`` acts on; 0 is the reset observation."""
    promised: tuple[int, ...] = ()
    """Actions already answered for the ticks ``tick``, ``tick + 1``, …, which act there unless a newer answer comes."""


class Decision(NamedTuple):
    """A controller's answer."""

    action: int | None
    """None: nothing usable was answered, the late rule goes on."""
    valid: bool = True
    """False: an answer was given that names no legal action; it is counted."""
    delay: Nanoseconds = 0
    """Time to let pass before the answer counts as arrived, under either clock, beyond what the call took."""
    text: str | None = None
    """What a model said, raw."""
    failure: str | None = None
    """What kind of failure left the answer unusable: ``timeout``, ``prose``, …"""
    ttft_ms: float | None = None
    """Time to the first token of a written answer."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    new_tokens: int | None = None
    """Prompt tokens that were not in a local model's cache."""


@runtime_checkable
class Controller(Protocol):
    """A policy that takes its time. ``decide`` may be called from another thread, one call per request in flight."""

    def reset(self, seed: int) -> None:
        """Begin an episode; everything random that follows comes from ``seed``."""
        ...

    def decide(self, observation: Observation) -> Decision:
        """Answer one observation."""
        ...
