"""Which recorded runs can be looked at again? Those that this stage records, and others named at its start."""

from __future__ import annotations

from pathlib import Path

from ontick.errors import OntickError
from ontick.records import Json
from ontick.replays.library import Library, runs_in


class Shelves:
    """Several folders of runs as one library; the first is where this stage records.

    Raises:
        OntickError: one of the ``others`` holds no run.
    """

    def __init__(self, runs: Path, others: tuple[Path, ...], task_module: str | None) -> None:
        for folder in others:
            runs_in(folder)
        self._libraries = {"": Library(runs, task_module)}
        self._libraries |= {f"-{place}": Library(folder, task_module) for place, folder in enumerate(others, start=1)}

    def listing(self) -> Json:
        """Return every run, the newest first."""
        first, *_ = self._libraries.values()
        rows: list[Json] = [
            {**row, "id": f"{row['id']}{shelf}"}
            for shelf, library in self._libraries.items()
            for row in library.listing()["runs"]
        ]
        rows.sort(key=lambda row: row["started_utc"] or "", reverse=True)
        return {"folder": str(first.folder), "runs": rows}

    def run(self, run_id: str) -> Json:
        """Return one run.

        Raises:
            OntickError: there is no such run, or it is damaged.
        """
        library, inner = self._find(run_id)
        return {**library.run(inner), "id": run_id}

    def replay(self, run_id: str, number: int) -> Json:
        """Return the replay object of an episode, whose number counts from 0.

        Raises:
            OntickError: there is no such run or episode, or its ticks are missing or damaged.
        """
        library, inner = self._find(run_id)
        return library.replay(inner, number)

    def _find(self, run_id: str) -> tuple[Library, str]:
        inner, dash, place = run_id.partition("-")
        library = self._libraries.get(f"{dash}{place}")
        if library is None:
            raise OntickError("there is no such run (any more); choose one of the list")
        return library, inner
