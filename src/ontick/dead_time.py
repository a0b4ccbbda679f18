"""How late will an answer act that is asked for now? The dead time that a policy learns for, and flies with.

An answer acts on arrival, or, with jitter, at a tick that it was aimed at from the start: the latency's 99th percentile
after its request began. What comes sooner is kept until then, so that the dead time is the same for nearly all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ontick.clock import Nanoseconds
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.latency import LatencyModel, parse_latency, quantile_ms
from ontick.records import Json

NO_MORE = -1
"""In place of a pending action: none is pending any more."""

UNDECIDED = -2
"""In place of a pending action: an answer that has not come yet decides."""

TARGET_QUANTILE = 0.99
"""The share of the answers that are there by the tick that they were aimed at (docs/log.md)."""


class Aim(StrEnum):
    """When an answer acts."""

    ARRIVAL = "arrival"
    """As soon as it has come."""
    TARGET = "target"
    """At a tick chosen beforehand, by which most have come."""


@dataclass(frozen=True)
class DeadTime:
    """The latency that a policy is made for, and how its answers are asked for and used."""

    latency: str
    """A latency model, as the command line writes it."""
    in_flight: int
    late: LateRule
    aim: Aim
    typical_ms: float
    """The latency's median: what is expected of an answer before there has been any."""
    target_ms: float
    """The latency's `TARGET_QUANTILE`."""

    @staticmethod
    def of(latency: str, in_flight: int, late: LateRule, aim: Aim) -> DeadTime:
        """Return the dead time under the latency model that ``latency`` names.

        Raises:
            OntickError: it names none, or one that is not known beforehand.
        """
        model = parse_latency(latency)
        typical_ms, target_ms = quantile_ms(model, 0.5), quantile_ms(model, TARGET_QUANTILE)
        if typical_ms is None or target_ms is None:
            raise OntickError(
                f"how late answers are must be known to learn for it, and {latency} tells only in flight; "
                "measure it with `ontick latency` and give 150, lognormal:150,0.25 or trace:FILE"
            )
        return DeadTime(latency, in_flight, late, aim, typical_ms, target_ms)

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> DeadTime:
        """Invert `as_json`.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        return DeadTime(
            str(found["latency"]),
            int(found["in_flight"]),
            LateRule(found["late"]),
            Aim(found["aim"]),
            float(found["typical_ms"]),
            float(found["target_ms"]),
        )

    def as_json(self) -> Json:
        """Return what cards say of it."""
        return asdict(self)

    @property
    def model(self) -> LatencyModel:
        """The latency model, to fly under.

        Raises:
            OntickError: it was drawn from a file that is not there any more.
        """
        return parse_latency(self.latency)

    def __str__(self) -> str:
        flying = f"{self.in_flight} in flight, {self.late.value}"
        return f"latency {self.latency}, {flying}" + (
            f", aimed at {self.target_ms:.0f} ms" if self.aim is Aim.TARGET else ""
        )


@dataclass(frozen=True)
class Awareness:
    """What a policy that was trained for its dead time is shown besides the state: the actions that act before its own.

    They are those of the ticks from the observation's on, as far as they are known.
    """

    dead_time: DeadTime
    pending: int
    """Of how many ticks at most."""
    memory: bool
    """Whether it knows what it has answered while that is still on its way. A quick policy behind a slow line does."""

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Awareness:
        """Invert `as_json`.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        return Awareness(DeadTime.from_json(found), int(found["pending"]), bool(found["memory"]))

    def __str__(self) -> str:
        return f"{self.dead_time}" + ("" if self.memory else ", without memory")

    def as_json(self) -> Json:
        """Return what a pilot's card says of it."""
        return {**self.dead_time.as_json(), "pending": self.pending, "memory": self.memory}


def landing_tick(tick: int, started: Nanoseconds, delay: Nanoseconds, tick_ns: Nanoseconds) -> int:
    """Return the first tick that an answer can act at which comes ``delay`` after ``started``, on ``o[tick]``."""
    return max(tick, -(-(started + delay) // tick_ns))
