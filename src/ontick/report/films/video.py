"""How are recorded flights filmed? From a run's folder alone, one film a seed; several runs stand side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.records import Flight, Json, Run, read_run
from ontick.report.films.files import write_film
from ontick.report.films.forms import FILMS, FilmFormat, Pace, check_format
from ontick.report.films.frames import Frames, Pane
from ontick.report.films.looks import LOOKS, LookName
from ontick.tasks import find_task
from ontick.tasks.base import Task

END_S = 1.0
"""For how long a film shows how it ended."""

WIDTH_PX = {FilmFormat.MP4: 800, FilmFormat.GIF: 480}
"""Of one flight's picture."""

_WIDEST_PX = 3840
"""Of a whole film: more is beyond many players."""


def film(
    runs: Sequence[Path],
    form: FilmFormat,
    *,
    to: Path | None = None,
    titles: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    task_module: str | None = None,
    width_px: int | None = None,
    look: LookName = LookName.DARK,
    end_s: float = END_S,
    progress: Progress = silent,
) -> list[Path]:
    """Film recorded episodes in real time, one file a seed, and return the files.

    Args:
        runs: folders that ``ontick eval`` wrote; of several, the same seeds are shown side by side.
        form: what the films are written as.
        to: the folder that they are written to; None: ``video`` in the first run's folder.
        titles: what stands above each run's flights; by default the controller and its delay.
        seeds: which are filmed; None: all that every run has.
        task_module: where a user's task is defined. A record may come from anywhere, so what it names is not imported.
        width_px: of one flight's picture; None: as suits the form.
        look: dark or light.
        end_s: for how long a film shows how it ended.
        progress: told of the frames of all films together.

    Raises:
        OntickError: what writes MP4 is not installed, a folder holds no flights to film, the runs have no seed in
            common or are of different tasks, the task is not found, or a film cannot be written.
    """
    check_format(form)
    read = [_read(folder) for folder in runs]
    task = _task_of(read, task_module)
    flown = [_by_place(run) for run in read]
    places = [place for place in flown[0] if all(place in flights for flights in flown[1:])]
    if seeds is not None:
        places = [place for place in places if place[0] in set(seeds)]
    if not places:
        raise OntickError(f"{' and '.join(map(str, runs))} have no flight of the same seed to film; {_SEEDS_HINT}")
    names = titles or [_title(run.run["asked"]) for run in read]
    films = [
        [Pane(task, flights[place], title, f"seed {place[0]}") for flights, title in zip(flown, names, strict=True)]
        for place in places
    ]
    pace = Pace.of(task.tick_s, form)
    shown = [pace.ticks(max(len(pane.flight.ticks) for pane in panes), end_s) for panes in films]
    done, total = 0, sum(map(len, shown))
    width = min(width_px or WIDTH_PX[form], _WIDEST_PX // len(runs))
    written: list[Path] = []
    for (seed, time), panes, moments in zip(places, films, shown, strict=True):
        frames = Frames(panes, width, LOOKS[look])
        path = (to or runs[0] / FILMS) / f"seed-{seed}{'' if time == 1 else f'-{time}'}.{form}"

        def told(what: str = f"film of seed {seed}") -> None:
            nonlocal done
            done += 1
            progress(done, total, what)

        write_film(path, form, frames.at, moments, pace.frame_s, told)
        written.append(path)
    return written


_SEEDS_HINT = "give seeds that were flown, and runs that share them"


def _read(folder: Path) -> Run:
    run = read_run(folder)
    inner = sorted(path.parent.name for path in folder.glob("*/run.json"))
    if not run.episodes and inner:
        raise OntickError(f"{folder} holds runs and no flights of its own; film one of them: {', '.join(inner)}")
    return run


def _by_place(run: Run) -> Mapping[tuple[int, int], Flight]:
    """Return a run's flights by seed, and how often that seed had been flown by then.

    Raises:
        OntickError: there are none with ticks.
    """
    times: Counter[int] = Counter()
    flights: dict[tuple[int, int], Flight] = {}
    for flight in run.flights():
        if flight.ticks:
            seed = flight.episode.seed
            times[seed] += 1
            flights[seed, times[seed]] = flight
    if not flights:
        raise OntickError(f"{run.folder} holds no flight to film; give a run of `ontick eval` that finished an episode")
    return flights


def _task_of(runs: Sequence[Run], task_module: str | None) -> Task:
    """Return the task that all of them fly.

    Raises:
        OntickError: it is not found, or they fly several.
    """
    asked: list[Json] = [run.run.get("asked", {}) for run in runs]
    names = {run.folder: words.get("task") for run, words in zip(runs, asked, strict=True)}
    for folder, name in names.items():
        if not isinstance(name, str):
            raise OntickError(f"{folder} does not say which task it flew; film a run that `ontick eval` wrote")
    if len(set(names.values())) > 1:
        told = ", ".join(str(name) for name in dict.fromkeys(names.values()))
        raise OntickError(f"flights of different tasks ({told}) cannot stand side by side; film them one by one")
    recorded = asked[0].get("task_module")
    try:
        return find_task(str(asked[0]["task"]), task_module)
    except OntickError as error:
        if task_module is not None or recorded is None:
            raise
        said = f"{runs[0].folder} was flown with --task-module {recorded}; give that again to film it"
        raise OntickError(said) from error


def _title(asked: Json) -> str:
    delay = asked.get("delay")
    return f"{asked.get('controller', '')}{f' + {delay}' if delay else ''}"
