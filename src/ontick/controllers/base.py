"""What is a controller? Something that is shown an observation and, some time later, has an answer."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from ontick.clock import Nanoseconds
from ontick.records import State


class Underway(NamedTuple):
    """A request whose answer is not known yet."""

    tick: int
    """Of its observation."""
    started: Nanoseconds
    """From tick 0."""


class Observation(NamedTuple):
    """What a controller is shown when it starts on a decision."""

    state: State
    """Shape (features,), in the environment's own units."""
    tick: int
    """``o[tick]``: the state that tick ``tick`` acts on; 0 is the reset observation."""
    promised: tuple[int | None, ...] = ()
    """Actions already answered for the ticks ``tick``, ``tick + 1``, …, which act there unless a newer answer comes;
    None where nothing has been answered for a tick, and from the end of the tuple on."""
    started: Nanoseconds = 0
    """When this request starts, from tick 0."""
    last_action: int | None = None
    """The controller's last action that acted before ``tick``, what the hold rule repeats; None before the first."""
    open: tuple[Underway, ...] = ()
    """The other requests whose answers are not known yet, in the order of their observations."""
    latencies: tuple[Nanoseconds, ...] = ()
    """Of the episode's latest answers that have arrived, oldest first; at most `REMEMBERED_LATENCIES`."""


REMEMBERED_LATENCIES = 32


class Decision(NamedTuple):
    """A controller's answer: one action, or a plan of several ticks."""

    action: int | None
    """None: nothing usable was answered, the late rule goes on."""
    valid: bool = True
    """False: an answer was given that names no legal action; it is counted."""
    delay: Nanoseconds = 0
    """Time to let pass before the answer counts as arrived, under either clock, beyond what the call took."""
    text: str | None = None
    """What a model said, raw."""
    failure: str | None = None
    """What kind of failure left the answer unusable (``timeout``, ``prose``, …) or cut its plan short."""
    ttft_ms: float | None = None
    """Time to the first token of a written answer."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    new_tokens: int | None = None
    """Prompt tokens that were not in a local model's cache."""
    then: tuple[int, ...] = ()
    """The rest of a plan: actions for the ticks after the one that ``action`` is for."""
    at_tick: int | None = None
    """The tick that ``action`` is for; None: that of the observation. An answer that comes before is kept until then;
    of one that comes later, what is past is left out, but for its last action, which acts as soon as it has come."""
    foreseen_tick: int | None = None
    """The tick for which the controller was shown a predicted state."""
    foreseen: tuple[float, ...] | None = None
    """That state, shape (features,)."""
    logprobs: tuple[float, ...] | None = None
    """Log-probability of each action, normalised among them, where the controller tells."""


@runtime_checkable
class Controller(Protocol):
    """A policy that takes its time. ``decide`` may be called from another thread, one call per request in flight."""

    def reset(self, seed: int) -> None:
        """Begin an episode; everything random that follows comes from ``seed``."""
        ...

    def decide(self, observation: Observation) -> Decision:
        """Answer one observation."""
        ...
