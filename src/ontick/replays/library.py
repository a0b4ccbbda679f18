"""Which recorded runs lie under a folder, and what does a page ask of them? Runs, one run's episodes, one replay.

Runs may lie in runs: a verdict's folder holds ``frozen`` and ``real_time``, a demo's holds verdicts and curves. A page
names a run by its id, which is looked up among those found; no path is ever made from what a page sends.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ontick.errors import OntickError
from ontick.records import Json
from ontick.replays.judged import succeeded
from ontick.replays.plain import plain
from ontick.replays.recorded import EPISODES, RUN, Recorded, read_recorded
from ontick.replays.recorded_task import find_recorded_task
from ontick.replays.replay import replay_of

DEEPEST = 5
"""How many folders below the one that is given are looked into; a demo's runs lie two below its own."""


@dataclass(frozen=True)
class Found:
    """A run's folder that was found."""

    id: str
    """The same every time, for the same place below the folder that was given."""
    name: str
    """Where it lies below that folder, with ``/`` between folders; of that folder itself, what it is called."""
    folder: Path


def find_runs(folder: Path) -> list[Found]:
    """Return every run in ``folder``, itself among them if it is one, in the order of their names.

    A folder that is not there holds none.
    """
    found: list[Found] = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        below = here.relative_to(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(below.parts) >= DEEPEST:
            folders.clear()
        if RUN in files:
            name = below.as_posix() if below.parts else folder.resolve().name
            found.append(Found(run_id(below.as_posix()), name, here))
    return sorted(found, key=lambda run: run.name)


def runs_in(folder: Path) -> list[Found]:
    """Return every run in ``folder``, of which there must be one.

    Raises:
        OntickError: there is none.
    """
    found = find_runs(folder)
    if not found:
        raise OntickError(f"{folder} holds no run (no {RUN} in it); give a folder that `ontick eval` wrote")
    return found


def run_id(below: str) -> str:
    """Return the id of the run that lies at ``below``, a path with ``/`` below the folder that is listed."""
    return hashlib.sha256(below.encode()).hexdigest()[:12]


class Library:
    """The runs under a folder, as a page asks for them; looked for anew at every call, since runs come and go.

    ``task_module`` is where tasks of one's own are, in place of what a run's record names.
    """

    def __init__(self, folder: Path, task_module: str | None = None) -> None:
        self.folder = folder
        self._task_module = task_module

    def listing(self) -> Json:
        """Return every run with episodes of its own, the newest first; damaged ones say so in a line."""
        rows = [_row(run) for run in find_runs(self.folder) if _may_hold_episodes(run)]
        rows.sort(key=lambda row: (row["started_utc"] or "", row["name"]), reverse=True)
        return {"folder": str(self.folder), "runs": rows}

    def run(self, run_id: str) -> Json:
        """Return one run: what was asked, its summary, its episodes, and what of it is not whole.

        Raises:
            OntickError: there is no such run, or it is damaged.
        """
        recorded = self._recorded(run_id)
        found = find_recorded_task(recorded.asked, self._task_module)
        missing = [found.why_none] if found.why_none is not None and recorded.keeps_ticks else []
        kinds = _failure_kinds(recorded.summary)
        return {
            "id": run_id,
            "asked": plain(recorded.asked),
            "summary": plain(recorded.summary),
            "notes": [*recorded.notes, *missing],
            "episodes": [
                {
                    "number": number,
                    "seed": episode.seed,
                    "outcome": episode.outcome,
                    "success": succeeded(found.task, episode),
                    "failure": kinds.get(episode.seed),
                    "steps": episode.steps,
                    "reward": plain(episode.reward),
                    "replay": number < recorded.replayable,
                    **{name: value for name, value in label._asdict().items() if value is not None},
                }
                for number, (episode, label) in enumerate(zip(recorded.episodes, recorded.labels, strict=True))
            ],
        }

    def replay(self, run_id: str, number: int) -> Json:
        """Return the replay object of an episode; ``number`` counts from 0.

        Raises:
            OntickError: there is no such run or episode, or its ticks are missing or damaged.
        """
        recorded = self._recorded(run_id)
        return replay_from(recorded, number, self._task_module)

    def _recorded(self, run_id: str) -> Recorded:
        folder = next((run.folder for run in find_runs(self.folder) if run.id == run_id), None)
        if folder is None:
            raise OntickError("there is no such run (any more); choose one of the list")
        return read_recorded(folder)


def replay_from(recorded: Recorded, number: int, task_module: str | None = None) -> Json:
    """Return the replay object of an episode of a run; ``number`` counts from 0.

    Raises:
        OntickError: there is no such episode, or its ticks are missing or damaged.
    """
    found = find_recorded_task(recorded.asked, task_module)
    replay = replay_of(recorded.flight(number), found.task, recorded.asked)
    if found.why_none is not None:
        replay["notes"].append(found.why_none)
    return replay


def _row(run: Found) -> Json:
    """Return a run's line in the listing."""
    row: Json = {"id": run.id, "name": run.name, "verb": None, "task": None, "controller": None, "started_utc": None}
    try:
        recorded = read_recorded(run.folder)
    except OntickError as error:
        return {**row, "episodes": 0, "damaged": str(error)}
    told = {name: _text(recorded.asked.get(name)) for name in ("verb", "task", "controller")}
    damaged = "; ".join(recorded.damage) or None
    started = _text(recorded.run.get("started_utc"))
    return {**row, **told, "started_utc": started, "episodes": len(recorded.episodes), "damaged": damaged}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _may_hold_episodes(run: Found) -> bool:
    """Say whether a run has episodes of its own, or might have: one that only holds other runs has none."""
    return (run.folder / EPISODES).exists() or not any((inner / RUN).exists() for inner in run.folder.iterdir())


def _failure_kinds(summary: Json | None) -> dict[int, str]:
    """Return what kind of failure each failed seed's is, which the summary of an evaluation tells."""
    try:
        left: dict[str, list[int]] = (summary or {}).get("failures_left", {})
        return {int(seed): str(kind) for kind, seeds in left.items() for seed in seeds}
    except (AttributeError, TypeError, ValueError):
        return {}  # not what an evaluation writes
