"""What is there of a latency curve? All that was found, or after a kill the points that are whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from ontick.records import Episode, Json, episode_from_json, whole_json_lines
from ontick.replays.recorded import EPISODES
from ontick.report.document.account import Account
from ontick.report.document.parts import Fold, Part
from ontick.report.tables import curve_table
from ontick.report.way_tables import ways_table


def curve_of(account: Account) -> Json | None:
    """Return what ``cliff --json`` prints; of one cut short only its points, and no latency that is allowed.

    None where no point is whole, or where its task is not known, which is what counts successes.
    """
    if account.is_judged:
        return account.recorded.summary
    task, asked = account.task, account.asked
    if task is None:
        return None
    points: list[Json] = [
        {
            "way": way,
            "late": late,
            "delay_ms": delay_ms,
            "n": len(episodes),
            "score_mean": fmean(episode.reward for episode in episodes),
            **{name: sum(map(counts, episodes)) for name, counts in task.measures.items()},
        }
        for (way, late, delay_ms), episodes in sorted(_points(account).items(), key=str)
        if len(episodes) == asked["episodes"]
    ]
    points.sort(key=lambda point: point["delay_ms"])
    rules = [rule for rule in asked["late_rules"] if any(point["late"] == rule for point in points)]
    if not points:
        return None
    told = {"task": asked["task"], "controller": asked["controller"], "tick_ms": task.tick_ms, "success": task.success}
    return {**told, "points": points, "needs_ms": dict.fromkeys(rules), "cut_short": True, "left_out": {}}


def ways_in(curve: Json) -> Sequence[str]:
    """Return the ways of asking that a curve compares, in order; none where it compares late rules only."""
    return list(dict.fromkeys(point["way"] for point in curve["points"] if point.get("way")))


def curve_parts(curve: Json) -> Iterator[Part]:
    """Yield a curve's tables; with several ways what they allow, and then a table for each."""
    names = ways_in(curve)
    if not names:
        yield _points_table(curve, None)
        return
    if "ways" in curve:
        yield ways_table(curve)
    yield Fold("Each way in numbers", tuple(_points_table(curve, name) for name in names))


def _points_table(curve: Json, way: str | None) -> Table:
    points = [point for point in curve["points"] if point.get("way") == way]
    table = curve_table({**curve, "points": _complete(points, list(curve["needs_ms"]))})
    if way is not None:
        table.title = f"asked {way}"
    return table


def _complete(points: Sequence[Json], rules: Sequence[str]) -> list[Json]:
    """Return the points at those delays that were flown under every late rule."""
    flown: dict[float, set[str]] = {}
    for point in points:
        flown.setdefault(point["delay_ms"], set()).add(point["late"])
    return [point for point in points if flown[point["delay_ms"]] == set(rules)]


def _points(account: Account) -> dict[tuple[str | None, str, float], list[Episode]]:
    """Return the episodes of every point, by way, late rule and delay."""
    path = account.folder / EPISODES
    points: dict[tuple[str | None, str, float], list[Any]] = {}
    for line in whole_json_lines(path.read_bytes() if path.exists() else b""):
        where = (line.get("way"), line["late"], line["delay_ms"])
        points.setdefault(where, []).append(episode_from_json(line))
    return points
