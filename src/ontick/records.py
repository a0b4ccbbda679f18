"""What was flown: ticks, episodes, runs, and how they are written and read.

A run is a folder: ``run.json`` (what was asked; written first), ``episodes.jsonl`` and ``ticks.jsonl.gz``
(appended episode by episode, the ticks first, so an episode's line means that its ticks are whole), and
``summary.json`` (written last, atomically). A killed run keeps every finished episode and still loads.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ontick.errors import OntickError
from ontick.late import Source
from ontick.provenance import provenance

Json: TypeAlias = dict[str, Any]

State: TypeAlias = npt.NDArray[Any]
"""A task's observation as a vector, shape (features,), in the environment's own units and precision."""

INTERRUPTED = "interrupted"
"""Outcome of an episode that the user stopped: kept in the record, left out of every statistic."""


class AnswerRecord(NamedTuple):
    """One answer of the controller, written with the tick that collected it."""

    observation_tick: int
    started_ms: float
    latency_ms: float
    """From the moment the controller was free and the observation published, to the arrival."""
    action: int | None
    valid: bool
    text: str | None = None
    failure: str | None = None
    """What kind of failure left it unusable, or cut its plan short."""
    ttft_ms: float | None = None
    """Time to the first token of a written answer, from when it was asked for."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    new_tokens: int | None = None
    """Prompt tokens that were not in a local model's cache."""
    then: tuple[int, ...] = ()
    """The rest of a plan: actions for the ticks after the one that ``action`` is for."""
    at_tick: int | None = None
    """The tick that ``action`` is for; None: that of the observation."""
    foreseen_tick: int | None = None
    """The tick for which the controller was shown a predicted state."""
    foreseen: tuple[float, ...] | None = None
    """That state, shape (features,)."""
    logprobs: tuple[float, ...] | None = None
    """Log-probability of each action, normalised among them, where the controller tells."""
    held_back_ms: float | None = None
    """How much earlier it would have been asked for without a limit on the rate of requests."""

    @property
    def begins(self) -> int:
        """The tick that its first action is for."""
        return self.observation_tick if self.at_tick is None else self.at_tick

    @property
    def actions(self) -> tuple[int, ...]:
        """What was answered for that tick and those after it; empty when nothing usable was."""
        return () if self.action is None else (self.action, *self.then) if self.then else (self.action,)

    def as_json(self) -> Json:
        """Return its fields; those that only some controllers have are left out where there is nothing to say."""
        fields = self._asdict()
        return {name: value for name, value in fields.items() if name in _ALWAYS_TOLD or value not in _NOTHING}

    @property
    def abstained(self) -> bool:
        """Whether the controller chose to say nothing, which is neither an action nor a failed attempt at one."""
        return self.action is None and self.valid


_NOTHING: tuple[object, ...] = (None, ())
_ALWAYS_TOLD = frozenset(AnswerRecord._fields[:6])


class Tick(NamedTuple):
    """One step of the world."""

    tick: int
    time_ms: float
    """When the tick was due, from tick 0."""
    lateness_ms: float
    """How long after that it ran; 0 under the virtual clock."""
    observation: State
    """The state that the action was applied to, as the environment gave it."""
    action: int
    source: Source
    observation_age_ticks: int | None
    """How many ticks old the observation behind the action was; None for a late rule's no-op or an initial action."""
    reward: float
    answers: tuple[AnswerRecord, ...] = ()
    """Every answer collected at this tick, used or not."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode in a line."""

    seed: int
    steps: int
    reward: float
    outcome: str
    fresh_ticks: int
    late_ticks: int
    """Ticks for which nothing had been answered: ``steps - fresh_ticks - planned_ticks``."""
    stale_answers: int
    invalid_answers: int
    planned_ticks: int = 0
    """Ticks that a later action of a plan acted on."""
    overrun_ticks: int = 0
    """Ticks that ran a whole tick late or more because the machine stalled."""
    final_observation: tuple[float, ...] = ()
    scenery: tuple[float, ...] = ()
    """What stands still in this episode's picture and not in every one's: `Task.scenery`."""
    uncollected: tuple[AnswerRecord, ...] = ()
    """Answers to requests that were open when the episode ended: too late for any tick, but as slow as they were."""


@dataclass(frozen=True, slots=True)
class Flight:
    """One episode and its ticks."""

    episode: Episode
    ticks: Sequence[Tick]

    def answers(self) -> list[AnswerRecord]:
        """Return every answer that the controller gave, collected or not, leaving out its silences."""
        answers = [answer for tick in self.ticks for answer in tick.answers]
        return [answer for answer in (*answers, *self.episode.uncollected) if not answer.abstained]


def answer_from_json(fields: Mapping[str, Any]) -> AnswerRecord:
    """Invert `AnswerRecord.as_json`."""
    lists: Json = {
        name: tuple(fields[name]) for name in ("then", "foreseen", "logprobs") if fields.get(name) is not None
    }
    return AnswerRecord(**{**fields, **lists})


def tick_to_json(seed: int, tick: Tick) -> Json:
    """Return the JSON form of one line of ``ticks.jsonl.gz``."""
    fields = tick._asdict()
    fields["observation"] = _numbers(tick.observation.tolist())
    fields["answers"] = [answer.as_json() for answer in tick.answers]
    return {"seed": seed, **fields}


def tick_from_json(fields: Mapping[str, Any]) -> Tick:
    """Invert `tick_to_json` (the seed apart)."""
    known = {name: fields[name] for name in Tick._fields if name in fields}
    known["observation"] = np.array(fields["observation"], dtype=float)  # null becomes NaN
    known["source"] = Source(fields["source"])
    known["answers"] = tuple(map(answer_from_json, fields.get("answers", ())))
    return Tick(**known)


def episode_to_json(episode: Episode) -> Json:
    """Return the JSON form of one line of ``episodes.jsonl``."""
    fields = {name: getattr(episode, name) for name in Episode.__dataclass_fields__}
    fields["final_observation"] = _numbers(episode.final_observation)
    fields["uncollected"] = [answer.as_json() for answer in episode.uncollected]
    return fields


def episode_from_json(fields: Mapping[str, Any]) -> Episode:
    """Invert `episode_to_json`; keys of later versions are ignored."""
    known = {name: fields[name] for name in Episode.__dataclass_fields__ if name in fields}
    for name in ("final_observation", "scenery"):
        known[name] = tuple(known.get(name, ()))
    known["uncollected"] = tuple(map(answer_from_json, known.get("uncollected", ())))
    return Episode(**known)


class RunWriter:
    """Makes a run's folder and appends to it.

    Raises:
        OntickError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any]) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=False)
        except OSError as error:
            raise _unwritable(folder, error) from error
        _write_json(folder / "run.json", {"asked": dict(asked), **provenance()})

    def append(self, *flights: Flight, **labels: object) -> None:
        """Write flown episodes; ``labels`` are further keys of their lines in ``episodes.jsonl``."""
        ticks = [json.dumps(tick_to_json(f.episode.seed, tick)) for f in flights for tick in f.ticks]
        if ticks:
            self._append("ticks.jsonl.gz", _gzip_member("".join(f"{line}\n" for line in ticks).encode()))
        episodes = [json.dumps({**labels, **episode_to_json(flight.episode)}) for flight in flights]
        self._append("episodes.jsonl", "".join(f"{line}\n" for line in episodes).encode())

    def note(self, name: str, *lines: Mapping[str, Any]) -> None:
        """Append JSON lines to a file of their own, for what is no episode."""
        self._append(name, "".join(f"{json.dumps(line)}\n" for line in lines).encode())

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``, whole or not at all."""
        _write_json(self.folder / "summary.json", dict(summary))

    def _append(self, name: str, data: bytes) -> None:
        path = self.folder / name
        try:
            with path.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(path, error) from error


@dataclass(frozen=True, slots=True)
class Run:
    """A run as read back from its folder."""

    folder: Path
    run: Json
    episodes: tuple[Episode, ...]
    summary: Json | None
    """None when the run was killed before its end."""

    def flights(self) -> Iterator[Flight]:
        """Yield every finished episode with its ticks, in the order flown."""
        path = self.folder / "ticks.jsonl.gz"
        by_episode = _group_by_episode(_read_ticks(path)) if path.exists() else ()
        yield from map(Flight, self.episodes, by_episode)


def read_run(folder: Path) -> Run:
    """Read a run's folder, leaving out what a kill left half-written.

    Raises:
        OntickError: the folder is not a run.
    """
    if not (folder / "run.json").is_file():
        raise OntickError(f"{folder} is not a run (no run.json in it); give a folder that `ontick eval` wrote")
    try:
        return _read_run(folder)
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(f"the record in {folder} is damaged ({error}); restore it from a copy") from error


def _read_run(folder: Path) -> Run:
    run: Json = json.loads((folder / "run.json").read_text())
    lines = whole_json_lines((folder / "episodes.jsonl").read_bytes() if (folder / "episodes.jsonl").exists() else b"")
    summary_path = folder / "summary.json"
    summary: Json | None = json.loads(summary_path.read_text()) if summary_path.exists() else None
    return Run(folder, run, tuple(episode_from_json(line) for line in lines), summary)


def decision_latencies_ms(source: Path) -> list[float]:
    """Return the latency of every answer of a recorded run, in the order flown.

    ``source`` is a run's folder or its ``ticks.jsonl.gz``.

    Raises:
        OntickError: there is no such record, or it holds no answers.
    """
    try:
        if source.is_dir():
            answers = [answer for flight in read_run(source).flights() for answer in flight.answers()]
        else:
            answers = [answer for tick in _read_ticks(source) for answer in tick.answers if not answer.abstained]
    except OSError as error:
        raise OntickError(
            f"cannot read {source} ({error.strerror}); give a run's folder or its ticks.jsonl.gz"
        ) from error
    latencies = [answer.latency_ms for answer in answers]
    if not latencies:
        raise OntickError(f"{source} holds no answers to draw latencies from; give a run whose controller answered")
    return latencies


def new_run_folder(runs: Path, *words: str) -> Path:
    """Return a folder under ``runs`` that does not exist yet, named by the time (UTC) and ``words``."""
    slug = "-".join("".join(c if c.isascii() and c.isalnum() else "_" for c in word).strip("_")[:40] for word in words)
    base = f"{datetime.now(UTC):%Y%m%d-%H%M%S.%f}"[:19] + f"-{slug}"
    candidates = (runs / (base if n == 1 else f"{base}-{n}") for n in range(1, 10_000))
    return next(folder for folder in candidates if not folder.exists())


def _unwritable(path: Path, error: OSError) -> OntickError:
    return OntickError(f"cannot write {path} ({error.strerror}); choose another place with --runs DIR")


def _write_json(path: Path, content: Json) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _gzip_member(data: bytes) -> bytes:
    """Compress to a whole gzip member; members one after another are a valid gzip file (RFC 1952, 2.2)."""
    compressor = zlib.compressobj(wbits=31)
    return compressor.compress(data) + compressor.flush()


def gzip_members(path: Path) -> Iterator[bytes]:
    """Yield each whole member of a gzip file; one cut short by a kill ends the file.

    Raises:
        ValueError: the file is damaged, not just cut short.
    """
    with path.open("rb") as file:
        decompressor, member = zlib.decompressobj(wbits=31), bytearray()
        data = file.read(_CHUNK_BYTES)
        while data:
            try:
                member += decompressor.decompress(data)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            data = decompressor.unused_data
            if decompressor.eof:
                yield bytes(member)
                decompressor, member = zlib.decompressobj(wbits=31), bytearray()
            data = data or file.read(_CHUNK_BYTES)


_CHUNK_BYTES = 1 << 16


def _numbers(values: Sequence[float]) -> list[float | None]:
    """Return plain numbers; JSON has none that are not finite."""
    return [float(value) if math.isfinite(value) else None for value in values]


def whole_json_lines(data: bytes) -> list[Json]:
    """Parse JSON lines; one that a kill cut short is left out."""
    whole, _, _ = data.rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines() if line]


def _read_ticks(path: Path) -> Iterator[Tick]:
    """Yield every whole tick.

    Raises:
        OntickError: the file is no record of ticks.
        OSError: it cannot be read.
    """
    try:
        for member in gzip_members(path):
            for fields in whole_json_lines(member):
                yield tick_from_json(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(
            f"{path} is not a whole record of ticks; give a run's folder or its ticks.jsonl.gz"
        ) from error


def _group_by_episode(ticks: Iterator[Tick]) -> Iterator[tuple[Tick, ...]]:
    """Split at each tick 0: seeds may repeat in one run, ticks always count up from 0."""
    flown: list[Tick] = []
    for tick in ticks:
        if tick.tick == 0 and flown:
            yield tuple(flown)
            flown = []
        flown.append(tick)
    if flown:
        yield tuple(flown)
