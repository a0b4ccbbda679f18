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
    actions: list[int]
    begins: int
    known: list[int | None] = field(default_factory=list[int | None])
    """What was answered, as it started, for the observation's tick and those after it."""
    others: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """The observations and starts of the other open requests, as it started."""
    before: list[int] = field(default_factory=list[int])
    """The latencies of the answers that had come, as it started."""


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
    policy: Callable[[int, Any], tuple[list[int], int]],
    latency_ms: Callable[[int], int],
    *,
    tick_ms: int,
    in_flight: int,
    hold: bool,
    noop: int,
    initial: int,
    spacing_ms: int = 0,
) -> Told:
    """Run the world millisecond by millisecond to its end.

    ``latency_ms(k)`` is that of the request on o[k], ``policy(k, state)`` its plan and the tick that this begins at.
    """
    told = Told()
    open_requests: list[Request] = []
    come: list[Request] = []
    state, newest_published, newest_asked, last = reset(), 0, -1, initial
    now, tick, ended, acting, may_start = -tick_ms, 0, False, None, -tick_ms

    def governs(tick: int, come: list[Request]) -> Request | None:
        due = [r for r in come if r.begins <= tick]
        return max(due, key=lambda r: r.observation) if due else None

    def answered(tick: int, come: list[Request], acting: Request | None) -> int | None:
        request = governs(tick, come)
        if request is None:
            return None
        if tick < request.begins + len(request.actions):
            return request.actions[tick - request.begins]
        return None if request is acting else request.actions[-1]

    while not ended:
        # 1. answers that arrive now (a request of no latency arrived when it started, below)
        for request in [r for r in open_requests if r.arrives == now]:
            open_requests.remove(request)
            come.append(request)
        # 2. the world
        if now == tick * tick_ms:
            action = answered(tick, come, acting)
            if action is not None:
                source = "planned" if governs(tick, come) is acting else "fresh"
                last, acting = action, governs(tick, come)
            else:
                action, source = (last, "held") if hold else (noop, "noop")
            age = tick - acting.observation if acting is not None and source != "noop" else None
            told.ticks.append((action, source, age))
            told.states.append(state)
            state, ended = step(action)
            tick += 1
            newest_published = tick
        # 3. the controller
        may_ask = len(open_requests) < in_flight and now >= may_start
        if not ended and may_ask and newest_published > newest_asked:
            newest_asked, may_start = newest_published, now + spacing_ms
            actions, begins = policy(newest_asked, state)
            request = Request(newest_asked, now, now + latency_ms(newest_asked), actions, begins)
            known, foretold = acting, list[int | None]()
            for later in range(newest_asked, newest_asked + 60):
                foretold.append(answered(later, come, known))
                known = governs(later, come)
            request.known = foretold
            request.others = sorted((r.observation, r.starts) for r in open_requests)
            request.before = [r.arrives - r.starts for r in come]
            told.requests.append(request)
            (come if request.arrives == now else open_requests).append(request)
        now += 1
    acted = told.ticks
    waiting = [r for r in come if r.begins >= tick and (acting is None or r.observation > acting.observation)]
    collected = [r for r in come if r.arrives <= (tick - 1) * tick_ms]
    still = [r for r in waiting if r in collected]
    told.dropped = len(collected) - len(still) - sum(source == "fresh" for _, source, _ in acted)
    return told
