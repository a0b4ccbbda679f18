"""Films say what the record says, tick for tick, in real time, in files that other programs can read."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ontick.cli import main
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.late import LateRule, Source
from ontick.records import Flight, read_run
from ontick.report.films.files import write_film
from ontick.report.films.forms import FILMS, FilmFormat, Pace, durations_cs, find_ffmpeg
from ontick.report.films.frames import Frames, Pane
from ontick.report.films.looks import LOOKS, LookName
from ontick.report.films.video import film
from ontick.report.readings import in_words, readings
from ontick.tasks import find_task

ACROBOT = str(Path(__file__).parents[3] / "docs" / "examples" / "acrobot.py")
LATE = Setup("lunarlander", "teacher", episodes=2, seed=7, clock=ClockName.VIRTUAL, delay="lognormal:150,0.25")
WIDTH = 160

FFMPEG = find_ffmpeg()


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two flights of the teacher behind a slow API."""
    folder = tmp_path_factory.mktemp("runs") / "late"
    evaluate(prepare(LATE), folder)
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "good"
    evaluate(prepare(replace(LATE, delay=None, episodes=1)), folder)
    return folder


class Film(NamedTuple):
    """An MP4 as another program reads it."""

    frames: list[Image.Image]
    rate: float
    size: tuple[int, int]
    pixels: str


def decoded(path: Path) -> Film:
    command = [FFMPEG, "-hide_banner", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    read = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    about = re.search(r"Video: h264 .*?, (yuv\w+).*?, (\d+)x(\d+).*?, ([\d.]+) fps", read.stderr.decode())
    assert about is not None
    size = int(about[2]), int(about[3])
    step = 3 * size[0] * size[1]
    frames = [Image.frombytes("RGB", size, read.stdout[at : at + step]) for at in range(0, len(read.stdout), step)]
    return Film(frames, float(about[4]), size, about[1])


def apart(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two images' pixels, of 255."""
    return float(np.abs(np.asarray(one.convert("RGB"), dtype=float) - np.asarray(other, dtype=float)).mean())


@pytest.mark.parametrize("rule", LateRule)
def test_what_is_said_of_a_tick_is_what_the_record_says(rule: LateRule, tmp_path: Path) -> None:
    evaluate(prepare(replace(LATE, late=rule, episodes=1)), tmp_path / "run")
    (flight,) = read_run(tmp_path / "run").flights()
    task = find_task("lunarlander")
    said = list(readings(flight))
    assert [reading.tick for reading in said] == list(range(flight.episode.steps))
    assert len({reading.source for reading in said}) == 2
    for k, reading in enumerate(said):
        tick, before = flight.ticks[k], flight.ticks[: k + 1]
        words = in_words(reading, task)
        assert words.tick == str(k)
        assert words.time == f"{k * 0.02:.2f} s"
        assert words.action == task.actions[tick.action]
        assert words.source == {"noop": "no-op"}.get(tick.source, tick.source)
        age = tick.observation_age_ticks
        assert words.age == ("-" if age is None else f"{age} tick{'' if age == 1 else 's'}")
        come = [answer.latency_ms for earlier in before for answer in earlier.answers]
        assert words.decision == (f"{come[-1]:.0f} ms" if come else "-")
        assert words.reward == f"{sum(earlier.reward for earlier in before):.1f}"
        counted = Counter(earlier.source for earlier in before)
        assert [reading.share(source) * (k + 1) for source in Source] == pytest.approx([counted[s] for s in Source])


@given(st.floats(1e-3, 10), st.integers(1, 300), st.sampled_from(FilmFormat))
def test_a_film_lasts_as_long_as_its_flight_and_a_second(tick_s: float, ticks: int, form: FilmFormat) -> None:
    pace = Pace.of(tick_s, form)
    shown = pace.ticks(ticks, end_s=1.0)
    in_flight = [tick for tick in shown if tick < ticks]
    assert in_flight == list(range(0, ticks, pace.stride))
    assert set(shown[len(in_flight) :]) == {ticks}, "the end, at last"
    assert float(pace.frame_s) == pytest.approx(tick_s * pace.stride, rel=1e-2)
    assert (len(shown) - len(in_flight)) * pace.frame_s >= 1
    most = {FilmFormat.MP4: 60, FilmFormat.GIF: 25}[form]
    assert 1 / pace.frame_s <= most
    assert pace.stride == 1 or 1 / pace.frame_s > most / 2 - 1
    durations = durations_cs(len(shown), pace.frame_s)
    assert sum(durations) == pytest.approx(float(len(shown) * pace.frame_s * 100), abs=0.5), "no error adds up"
    assert min(durations) >= 2 or form is FilmFormat.MP4


def test_an_mp4_has_a_frame_a_tick_and_the_end_at_50_frames_a_second(late: Path, tmp_path: Path) -> None:
    first, second = film([late], FilmFormat.MP4, to=tmp_path, width_px=WIDTH)
    assert (first.name, second.name) == ("seed-7.mp4", "seed-8.mp4")
    flights = list(read_run(late).flights())
    for path, flight in zip((first, second), flights, strict=True):
        frames, rate, size, pixels = decoded(path)
        assert len(frames) == flight.episode.steps + 50
        assert (rate, pixels) == (50, "yuv420p")
        assert all(edge % 2 == 0 for edge in size)
        source = Frames([pane(flight)], WIDTH, LOOKS[LookName.DARK])
        for tick in (0, flight.episode.steps // 2, flight.episode.steps - 1, flight.episode.steps):
            assert apart(source.at(tick), frames[tick]) < 5
        assert apart(frames[0], frames[-1]) > 5, "the words at the end"


def pane(flight: Flight) -> Pane:
    title = "teacher + lognormal:150,0.25"
    return Pane(find_task("lunarlander"), flight, title, f"seed {flight.episode.seed}")


def test_a_slow_task_is_filmed_at_its_own_rate(tmp_path: Path) -> None:
    setup = Setup("acrobot", "teacher", episodes=1, clock=ClockName.VIRTUAL, task_module=ACROBOT)
    steps = evaluate(prepare(setup), tmp_path / "run").flights[0].episode.steps
    (path,) = film([tmp_path / "run"], FilmFormat.MP4, task_module=ACROBOT, width_px=WIDTH)
    assert path == tmp_path / "run" / FILMS / "seed-0.mp4"
    read = decoded(path)
    assert (read.rate, len(read.frames)) == (5, steps + 5)


def test_a_gif_loops_and_lasts_as_long_as_the_flight_and_its_end(late: Path, tmp_path: Path) -> None:
    (path,) = film([late], FilmFormat.GIF, to=tmp_path, seeds=[8], width_px=WIDTH, end_s=2)
    flight = list(read_run(late).flights())[1]
    source = Frames([pane(flight)], WIDTH, LOOKS[LookName.DARK])
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        lasted_ms = 0
        for number in range(getattr(gif, "n_frames", 0)):
            gif.seek(number)
            tick = 2 * (lasted_ms // 40)
            assert apart(gif, source.at(tick)) < 2
            lasted_ms += gif.info["duration"]
            assert gif.info["duration"] % 40 == 0
        assert lasted_ms == 40 * len(range(0, flight.episode.steps, 2)) + 2000


def test_flights_of_the_same_seed_stand_side_by_side_under_their_titles(late: Path, good: Path, tmp_path: Path) -> None:
    (path,) = film([good, late], FilmFormat.MP4, to=tmp_path, titles=["at once", "late"], width_px=WIDTH)
    flights = [next(read_run(folder).flights()) for folder in (good, late)]
    longest = max(flight.episode.steps for flight in flights)
    read = decoded(path)
    assert len(read.frames) == longest + 50
    assert read.size[0] == 2 * WIDTH + 12
    alone = Frames([Pane(find_task("lunarlander"), flights[1], "late", "seed 7")], WIDTH, LOOKS[LookName.DARK])
    right = Frames(
        [Pane(find_task("lunarlander"), flight, title, "seed 7") for flight, title in zip(flights, "ab", strict=True)],
        WIDTH,
        LOOKS[LookName.DARK],
    )
    ended = flights[1].episode.steps
    assert ended < longest
    below_title = (0, 40, WIDTH, 130)
    shifted = (WIDTH + 12, 40, 2 * WIDTH + 12, 130)
    assert right.at(longest).crop(shifted).tobytes() == alone.at(ended).crop(below_title).tobytes(), "it waits, ended"


def test_both_looks_have_every_colour_and_differ(late: Path) -> None:
    flight = next(read_run(late).flights())
    dark, light = (Frames([pane(flight)], WIDTH, LOOKS[look]).at(3) for look in LookName)
    assert dark.size == light.size
    assert apart(dark, light) > 50


def test_films_have_the_colours_of_the_pages() -> None:
    pages = Path(__file__).parents[3] / "src" / "ontick" / "replays" / "page" / "theme.css"
    theme = pages.read_text()
    for name, look in LOOKS.items():
        block = theme.split(':root[data-theme="light"]')[1] if name is LookName.LIGHT else theme.split("@media")[0]
        colours = {f"paint-{paint}": colour for paint, colour in look.paints.items()}
        colours |= {str(source): colour for source, colour in look.sources.items()}
        colours |= {part: getattr(look, part) for part in ("page", "raised", "line", "text", "muted", "good", "bad")}
        colours |= {"paint-sky-low": look.sky_low, "paint-ground-low": look.ground_low}
        colours |= {"paint-ground-edge": look.ground_edge, "paint-fire-core": look.fire_core}
        for variable, colour in colours.items():
            assert f"--{variable}: #{bytes(colour).hex()};" in block, (name, variable)


def test_a_run_that_was_killed_is_filmed_as_far_as_it_is_whole(late: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "run.json").write_bytes((late / "run.json").read_bytes())
    (cut / "episodes.jsonl").write_bytes((late / "episodes.jsonl").read_bytes()[:-50])
    (cut / "ticks.jsonl.gz").write_bytes((late / "ticks.jsonl.gz").read_bytes()[:-100])
    (path,) = film([cut], FilmFormat.GIF, width_px=WIDTH)
    assert path.name == "seed-7.gif"


def test_what_cannot_be_filmed_is_one_line(late: Path, good: Path, tmp_path: Path) -> None:
    own, imported = tmp_path / "own.py", tmp_path / "imported"
    own.write_text(f"from pathlib import Path\nPath({str(imported)!r}).touch()\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "run.json").write_text(json.dumps({"asked": {"task": "mine", "task_module": str(own)}}))
    for name in ("episodes.jsonl", "ticks.jsonl.gz"):
        (gone / name).write_bytes((late / name).read_bytes())
    empty, unsaid, outer = tmp_path / "empty", tmp_path / "unsaid", tmp_path / "outer"
    for folder, asked in ((empty, {"task": "cartpole"}), (unsaid, {}), (outer / "frozen", {}), (outer, {})):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps({"asked": asked}))
    other = tmp_path / "other"
    evaluate(prepare(replace(LATE, task="cartpole", controller="none", episodes=1)), other)
    (tmp_path / "file").write_text("")
    cases: list[tuple[list[Path], dict[str, Any], str]] = [
        ([tmp_path / "nowhere"], {}, "is not a run"),
        ([empty], {}, "holds no flight to film"),
        ([unsaid], {}, "does not say which task"),
        ([outer], {}, "film one of them: frozen"),
        ([gone], {}, "give that again to film it"),
        ([gone], {"task_module": "nowhere.py"}, "no such file"),
        ([late, other], {}, "different tasks"),
        ([good], {"seeds": [99]}, "no flight of the same seed"),
        ([good], {"to": tmp_path / "file"}, "cannot write"),
    ]
    for runs, options, says in cases:
        with pytest.raises(OntickError, match=says) as refused:
            film(runs, FilmFormat.GIF, width_px=WIDTH, **options)
        assert len(str(refused.value).splitlines()) == 1
    assert not imported.exists(), "what a record names is not imported"


@pytest.mark.parametrize("form", FilmFormat)
@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, OSError])
def test_a_film_is_whole_or_not_there(form: FilmFormat, stop: type[BaseException], tmp_path: Path) -> None:
    def frame(tick: int) -> Image.Image:
        if tick == 5:
            raise stop
        return Image.new("RGB", (16, 16), (tick, 0, 0))

    with pytest.raises((stop, OntickError)):
        write_film(tmp_path / f"a.{form}", form, frame, list(range(9)), Fraction(1, 25))
    assert list(tmp_path.iterdir()) == []


def test_what_ffmpeg_says_is_one_line(tmp_path: Path) -> None:
    odd = Image.new("RGB", (15, 15))
    with pytest.raises(OntickError, match=r"cannot write .*ffmpeg") as refused:
        write_film(tmp_path / "a.mp4", FilmFormat.MP4, lambda _: odd, [0, 1], Fraction(1, 50))
    assert len(str(refused.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def flown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_eval_films_every_episode_and_a_verdict_both_of_its_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    where = ["--clock", "virtual", "--runs", str(tmp_path), "--video", "gif"]
    evaluated = flown(capsys, "eval", "cartpole", "none", "--episodes", "2", *where)
    names = [Path(path).relative_to(evaluated["run"]) for path in evaluated["videos"]]
    assert names == [Path("video/seed-0.gif"), Path("video/seed-1.gif")]
    judged = flown(capsys, "verdict", "cartpole", "none", "--episodes", "1", *where)
    (path,) = judged["videos"]
    with Image.open(path) as both, Image.open(evaluated["videos"][0]) as one:
        assert both.width == 2 * one.width + 12
    assert main(["eval", "cartpole", "none", "--episodes", "1", *where]) == 0
    assert "video: " in capsys.readouterr().out


def test_without_what_writes_mp4_nothing_is_flown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec

    def not_ffmpeg(name: str) -> ModuleSpec | None:
        return None if name == "imageio_ffmpeg" else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", not_ffmpeg)
    assert main(["eval", "cartpole", "none", "--runs", str(tmp_path / "runs"), "--video", "mp4"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "pip install 'ontick[video]'" in said.err
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_an_unknown_form_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["eval", "cartpole", "none", "--runs", str(tmp_path / "runs"), "--video", "avi"]) == 2
    said = capsys.readouterr()
    assert "mp4" in said.err
    assert len(said.err.splitlines()) == 1
