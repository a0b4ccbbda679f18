"""Which actions will act before an answer that is asked for now? Those already answered, and what the late rule makes.

What open requests will answer is not known to whoever asks now; it is known which of them will decide at which tick,
if they are as late as this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ontick.controllers.base import Observation
from ontick.late import LateRule


class Expected(NamedTuple):
    """What will act at a tick."""

    action: int | None
    """None: it depends on an answer that has not come yet."""
    request: int | None = None
    """The tick of the observation of the open request whose answer it depends on."""


_NONE_KNOWN: Mapping[int, int] = MappingProxyType({})


def expected_actions(
    observation: Observation,
    landing_tick: int,
    late: LateRule,
    initial_action: int,
    noop: int,
    *,
    landings: Mapping[int, int] = _NONE_KNOWN,
    answer_ticks: int = 1,
) -> tuple[Expected, ...]:
    """Return what will act at the ticks ``observation.tick`` … ``landing_tick - 1``.

    An open request whose landing is not known is taken to land as many ticks after its observation as this one. One
    that is overdue lands at once, unless something is promised there, which it is then likely to be too old for.

    Args:
        observation: what is shown with the request that starts now.
        landing_tick: the tick at which its answer will act.
        late: the late rule that is flown under.
        initial_action: what ``hold`` applies before the first answer.
        noop: what ``noop`` applies.
        landings: by the ticks of their observations, where open requests are expected to land, as far as it is known.
        answer_ticks: how many ticks in a row each open request will answer.
    """
    k, promised = observation.tick, observation.promised
    due = {asked: landings.get(asked, asked + landing_tick - k) for asked in observation.open}
    lands = {max(k, tick): asked for asked, tick in due.items()}  # in order: the newest stays
    held = Expected(initial_action if observation.last_action is None else observation.last_action)
    ruling, rules_until = held, k
    found: list[Expected] = []
    for tick in range(k, landing_tick):
        known = promised[tick - k] if tick - k < len(promised) else None
        asked = lands.get(tick)
        if asked is not None and (known is None or due[asked] >= tick):
            ruling, rules_until = Expected(None, asked), tick + answer_ticks
        if tick < rules_until:
            held = ruling
        elif known is not None:
            held = Expected(known)
        elif late is LateRule.NOOP:
            found.append(Expected(noop))
            continue
        found.append(held)
    return tuple(found)


def pending_actions(
    observation: Observation,
    landing_tick: int,
    late: LateRule,
    initial_action: int,
    noop: int,
    *,
    landings: Mapping[int, int] = _NONE_KNOWN,
    answer_ticks: int = 1,
) -> tuple[int | None, ...]:
    """Return the actions of `expected_actions`; None where an open request decides."""
    expected = expected_actions(
        observation, landing_tick, late, initial_action, noop, landings=landings, answer_ticks=answer_ticks
    )
    return tuple(known.action for known in expected)
