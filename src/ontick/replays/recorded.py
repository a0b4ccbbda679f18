"""What can be read of a run's folder? Every episode that is whole, one at a time; the rest is named, a line each.

Ticks are read for the episode that is asked for; of those before it only the lines are counted.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

from ontick.errors import OntickError
from ontick.evaluation.failures import seeds_in_words
from ontick.records import INTERRUPTED, Episode, Flight, Json, episode_from_json, gzip_members, tick_from_json

RUN, EPISODES, TICKS, SUMMARY = "run.json", "episodes.jsonl", "ticks.jsonl.gz", "summary.json"


class Label(NamedTuple):
    """What an episode's line says beside the episode."""

    late: str | None = None
    """Of a latency curve: the late rule of the point."""
    delay_ms: float | None = None
    """Of a latency curve: the delay of the point."""


@dataclass(frozen=True)
class Recorded:
    """A run's folder as far as it is whole."""

    folder: Path
    run: Json
    """What ``run.json`` says: ``asked``, versions, machine."""
    episodes: tuple[Episode, ...]
    labels: tuple[Label, ...]
    """One an episode."""
    summary: Json | None
    """None: the run did not come to its end, or the file is damaged."""
    damage: tuple[str, ...]
    """What of the small files cannot be read, a line each."""

    @property
    def asked(self) -> Json:
        """What was asked for."""
        return self.run["asked"]

    @property
    def keeps_ticks(self) -> bool:
        """Whether its episodes can be replayed; a latency curve keeps no ticks."""
        return (self.folder / TICKS).exists()

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is cut short, missing or damaged, one line each; reads through the ticks once."""
        return (*self.damage, *self._notes())

    @cached_property
    def replayable(self) -> int:
        """How many episodes have whole ticks; they are the first ones."""
        whole, room = 0, self._whole_ticks[0]
        for episode in self.episodes:
            room -= episode.steps
            if room < 0 or not self.keeps_ticks:
                break
            whole += 1
        return whole

    def flight(self, number: int) -> Flight:
        """Return an episode with its ticks; ``number`` counts from 0, in the order flown.

        Raises:
            OntickError: there is no such episode, or its ticks are missing or damaged.
        """
        if not 0 <= number < len(self.episodes):
            held = f"it holds {len(self.episodes)} episodes, numbered from 0"
            raise OntickError(f"{self.folder} has no episode {number}; {held}")
        if not self.keeps_ticks:
            raise OntickError(f"{self.folder} keeps no ticks ({self.asked.get('verb')}), so it has no replays")
        skipped = sum(before.steps for before in self.episodes[:number])
        return self._flight(number, _tick_lines(self.folder / TICKS, skipped))

    def flights(self, numbers: Container[int] | None = None) -> Iterator[tuple[int, Flight]]:
        """Yield the episodes of these numbers, or all, that can be replayed, in the order flown.

        The file of ticks is read once. One whose ticks are damaged inside is left out; `flight` says what is wrong.
        """
        lines = _tick_lines(self.folder / TICKS)
        for number, episode in enumerate(self.episodes[: self.replayable]):
            its_own = list(islice(lines, episode.steps))
            if numbers is not None and number not in numbers:
                continue
            try:
                flight = self._flight(number, its_own)
            except OntickError:
                continue
            yield number, flight

    def _flight(self, number: int, lines: Iterable[bytes]) -> Flight:
        """Return an episode whose ticks are the first of ``lines``."""
        episode = self.episodes[number]
        try:
            ticks = [tick_from_json(json.loads(line)) for line in islice(lines, episode.steps)]
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise self._unreadable(episode, f"damaged ({error})") from error
        if len(ticks) < episode.steps:
            raise self._unreadable(episode, "missing or cut short")
        if [tick.tick for tick in ticks] != list(range(episode.steps)) or len({t.observation.shape for t in ticks}) > 1:
            raise self._unreadable(episode, "damaged (they are not in order)")
        return Flight(episode, ticks)

    def _unreadable(self, episode: Episode, how: str) -> OntickError:
        return OntickError(
            f"the ticks of seed {episode.seed} in {self.folder} are {how}; restore {TICKS} from a copy, or fly it again"
        )

    @cached_property
    def _whole_ticks(self) -> tuple[int, str | None]:
        """How many whole ticks there are, and what is wrong behind them."""
        lines = 0
        if not self.keeps_ticks:
            return lines, None
        try:
            for member in gzip_members(self.folder / TICKS):
                lines += member.count(b"\n")
        except ValueError as error:
            return lines, f"{TICKS} is damaged ({error})"
        except OSError as error:
            return lines, f"{TICKS} cannot be read ({error.strerror})"
        return lines, None

    def _asked_seeds(self) -> list[int]:
        """Return which episodes were to be flown, one after another; of other verbs than ``eval`` nothing."""
        try:
            return [int(seed) for seed in self.asked["seeds"]] if self.asked.get("verb") == "eval" else []
        except (KeyError, TypeError, ValueError):
            return []

    def _notes(self) -> Iterator[str]:
        asked_seeds = self._asked_seeds()
        interrupted = self.summary is not None and bool(self.summary.get("interrupted"))
        if interrupted or any(episode.outcome == INTERRUPTED for episode in self.episodes):
            yield "the run was stopped before its end"
        elif self.summary is None and not (self.folder / SUMMARY).exists():
            yield f"the run did not come to its end: it has no {SUMMARY}"
        if len(asked_seeds) > len(self.episodes):
            left = asked_seeds[len(self.episodes) :]
            yield f"{len(self.episodes)} of {len(asked_seeds)} episodes are recorded; not {seeds_in_words(left)}"
        if not self.keeps_ticks:
            if self.episodes:
                yield "it keeps no ticks, so its episodes cannot be replayed"
            return
        _, wrong = self._whole_ticks
        if wrong is not None:
            yield wrong
        if lost := [episode.seed for episode in self.episodes[self.replayable :]]:
            yield f"the ticks of {seeds_in_words(lost)} are missing or cut short, so there is no replay"


def read_recorded(folder: Path) -> Recorded:
    """Read a run's folder as far as it is whole.

    Raises:
        OntickError: it is no run, or so damaged that not even what was asked can be read.
    """
    try:
        run = json.loads((folder / RUN).read_text())
        if not isinstance(run["asked"], dict):
            raise TypeError("it does not say what was asked")
    except FileNotFoundError as error:
        raise OntickError(
            f"{folder} is not a run (no {RUN} in it); give a folder that `ontick eval` or another verb wrote"
        ) from error
    except OSError as error:
        raise OntickError(f"cannot read {folder / RUN} ({error.strerror}); give a folder that can be read") from error
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(f"{folder / RUN} is damaged ({error}); restore it from a copy") from error
    damage: list[str] = []
    episodes, labels = _read_episodes(folder / EPISODES, damage)
    return Recorded(folder, run, episodes, labels, _read_summary(folder / SUMMARY, damage), tuple(damage))


def _read_episodes(path: Path, damage: list[str]) -> tuple[tuple[Episode, ...], tuple[Label, ...]]:
    """Return the episodes up to the first line that cannot be read; where ticks lie is known only up to there."""
    episodes: list[Episode] = []
    labels: list[Label] = []
    try:
        whole, _, rest = (path.read_bytes() if path.exists() else b"").rpartition(b"\n")
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                fields = json.loads(line)
                episode = episode_from_json(fields)
            except (KeyError, TypeError, ValueError, AttributeError):
                damage.append(f"line {number} of {path.name} is damaged; from there on no episode can be read")
                break
            episodes.append(episode)
            labels.append(Label(fields.get("late"), fields.get("delay_ms")))
        else:
            if rest:
                damage.append(f"the last line of {path.name} is cut short; that episode is left out")
    except OSError as error:
        damage.append(f"{path.name} cannot be read ({error.strerror})")
    return tuple(episodes), tuple(labels)


def _read_summary(path: Path, damage: list[str]) -> Json | None:
    try:
        summary: Any = json.loads(path.read_text()) if path.exists() else None
        if not isinstance(summary, dict | None):
            raise ValueError("it is no JSON object")
        return cast(Json | None, summary)
    except OSError as error:
        damage.append(f"{path.name} cannot be read ({error.strerror})")
    except ValueError as error:
        damage.append(f"{path.name} is damaged ({error})")
    return None


def _tick_lines(path: Path, skipped: int = 0) -> Iterator[bytes]:
    """Yield the lines of ticks after the first ``skipped``, unread.

    Raises:
        ValueError: the file is damaged there.
        OSError: it cannot be read.
    """
    for member in gzip_members(path):
        there = member.count(b"\n")
        if there > skipped:
            yield from member.splitlines()[skipped:]
        skipped = max(0, skipped - there)
