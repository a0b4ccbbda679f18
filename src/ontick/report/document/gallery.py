"""Which episodes of a run are watched, in which order? Failures by kind, then the best and the worst successes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ontick.records import INTERRUPTED, Flight
from ontick.replays.judged import judge
from ontick.report.document.account import Account
from ontick.report.document.flown import Flown
from ontick.report.document.parts import Reel, Reels

SHOWN = 4
"""How many of a kind are listed at once; the others are folded."""


def reels_of(account: Account, flown: Flown) -> Iterator[Reels]:
    """Yield every episode that can be watched, by kind; the commonest kind of failure first."""
    failed: defaultdict[str, list[Flight]] = defaultdict(list)
    succeeded: list[Flight] = []
    others: list[Flight] = []
    for flight in account.flights:
        success = flown.succeeded(flight.episode)
        if flight.episode.outcome == INTERRUPTED or success is None:
            others.append(flight)
        elif success:
            succeeded.append(flight)
        else:
            failed[_kind(account, flown, flight)].append(flight)
    first = (flown.summary or {}).get("watch_first")
    for kind in sorted(failed, key=lambda kind: (-len(failed[kind]), kind)):
        flights = sorted(failed[kind], key=lambda flight: flight.episode.seed != first)
        reels = [_reel(account, f, "look first" if f.episode.seed == first else "", good=False) for f in flights]
        yield from _listed(f"failed: {kind}", reels)
    yield from _successes(account, succeeded)
    if others:
        title = "stopped in flight" if all(f.episode.outcome == INTERRUPTED for f in others) else "episodes"
        yield from _listed(title, [_reel(account, flight, "", good=None) for flight in others])


def _successes(account: Account, flights: list[Flight]) -> Iterator[Reels]:
    if not flights:
        return
    ranked = sorted(flights, key=lambda flight: -flight.episode.reward)
    best, worst = ranked[0], ranked[-1]
    told = [_reel(account, best, "best" if len(ranked) > 1 else "", good=True)]
    if len(ranked) > 1:
        told.append(_reel(account, worst, "worst", good=True))
    left = [_reel(account, flight, "", good=True) for flight in flights if flight is not best and flight is not worst]
    yield Reels("succeeded", tuple(told))
    if left:
        yield Reels(f"{len(left)} other {'success' if len(left) == 1 else 'successes'}", tuple(left), folded=True)


def _listed(title: str, reels: list[Reel]) -> Iterator[Reels]:
    yield Reels(title, tuple(reels[:SHOWN]))
    if more := reels[SHOWN:]:
        yield Reels(f"{len(more)} more, {title}", tuple(more), folded=True)


def _kind(account: Account, flown: Flown, flight: Flight) -> str:
    return judge(account.task, flight).failure or flown.failure_kind(flight.episode) or flight.episode.outcome


def _reel(account: Account, flight: Flight, remark: str, *, good: bool | None) -> Reel:
    episode = flight.episode
    told = f"{episode.outcome} after {episode.steps} ticks, reward {episode.reward:.1f}"
    return Reel(account, flight, f"seed {episode.seed}", told, remark, good)
