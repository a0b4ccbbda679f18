"""The timeline once more, told event by event in whole milliseconds: slow, plain, and sharing no code with the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    observation: int
    starts: int
    arrives: int
    action: int


@dataclass
class Told:
    """What happened: `requests` in the order started, `ticks` as (action, source, age), `states` seen by each tick."""

    requests: list[Request] = field(default_factory=list[Request])
    ticks: list[tuple[int, str, int | None]] = field(default_factory=list[tuple[int, str, int | None]])
    states: list[Any] = field(default_factory=list[Any])
    dropped: int = 0


def tell(
    reset: Callable[[], Any],
    step: Callable[[int], tuple[Any, bool]],
    policy: Callable[[Any], int],
    latency_ms: Callable[[int], int],
    *,
    tick_ms: int,
    in_flight: int,
    hold: bool,
    noop: int,
    initial: int,
) -> Told:
    """Run the world millisecond by millisecond to its end; ``latency_ms(k)`` is that of the request on o[k]."""
    told = Told()
    open_requests: list[Request] = []
    mailbox: list[Request] = []
    state, newest_published, newest_asked, newest_used, last = reset(), 0, -1, -1, initial
    now, tick, ended = -tick_ms, 0, False
    while not ended:
        # 1. answers that arrive now (a request of no latency arrived when it started, below)
        for request in [r for r in open_requests if r.arrives == now]:
            open_requests.remove(request)
            mailbox.append(request)
        # 2. the world
        if now == tick * tick_ms:
            usable = [r for r in mailbox if r.observation > newest_used]
            fresh = max(usable, key=lambda r: r.observation) if usable else None
            told.dropped += len(mailbox) - (fresh is not None)
            mailbox.clear()
            if fresh is not None:
                action, source, newest_used, last = fresh.action, "fresh", fresh.observation, fresh.action
            else:
                action, source = (last, "held") if hold else (noop, "noop")
            age = tick - newest_used if newest_used >= 0 and source != "noop" else None
            told.ticks.append((action, source, age))
            told.states.append(state)
            state, ended = step(action)
            tick += 1
            newest_published = tick
        # 3. the controller
        if not ended and len(open_requests) < in_flight and newest_published > newest_asked:
            newest_asked = newest_published
            request = Request(newest_asked, now, now + latency_ms(newest_asked), policy(state))
            told.requests.append(request)
            (mailbox if request.arrives == now else open_requests).append(request)
        now += 1
    return told
