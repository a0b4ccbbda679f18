"""The line that shows a flight while it is flown: whole, never in the way, on a terminal only."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
import tty
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.verdict import reach_verdict
from ontick.records import Flight, Tick
from ontick.report.live_line import LiveLine
from ontick.report.readings import in_words, readings
from ontick.tasks import find_task

LANDER = find_task("lunarlander")
SETUP = Setup("lunarlander", "teacher", episodes=2, seed=7, clock=ClockName.VIRTUAL, delay="lognormal:150,0.25")
COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-8]|9[0-7])[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def flights() -> list[Flight]:
    prepared = prepare(SETUP)
    return [prepared.fly(prepared.dressed(), seed) for seed in SETUP.seeds]


def printed(line: LiveLine, *, width: int = 200, encoding: str = "utf-8") -> str:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding), width=width)
    with console.capture() as capture:
        console.print(line, end="")
    return capture.get()


def test_the_last_tick_is_shown_as_the_record_says(flights: list[Flight]) -> None:
    line = LiveLine(LANDER, SETUP.seeds)
    assert printed(line) == ""
    for flight in flights:
        for tick, reading in zip(flight.ticks, readings(flight), strict=True):
            line(tick)
            if tick.tick % 20 and tick.tick + 1 < len(flight.ticks):
                continue
            said, words = printed(line), in_words(reading, LANDER)
            assert said.startswith(f"seed {flight.episode.seed}  tick {words.tick:>3}  ")
            for part in (words.time, words.source, words.action, words.decision, f"reward {words.reward:>6}"):
                assert part in said
            for source, count in zip(("fresh", "planned", "held", "no-op"), reading.counts, strict=True):
                assert (f"{source} {count / (tick.tick + 1):.0%}" in said) == (count > 0)


def test_the_bar_is_full_at_a_tick_and_half_full_at_half_of_one(flights: list[Flight]) -> None:
    for latency_ms, cells in ((0.0, 0), (10.0, 4), (20.0, 8), (300.0, 8)):
        line = LiveLine(LANDER, [1])
        answer = flights[0].answers()[0]._replace(latency_ms=latency_ms)
        line(flights[0].ticks[0]._replace(answers=(answer,)))
        assert printed(line).count("█") == cells
        assert printed(line, encoding="ascii").count("#") == cells


def test_it_is_one_line_on_any_terminal(flights: list[Flight]) -> None:
    line = LiveLine(LANDER, SETUP.seeds)
    for tick in flights[0].ticks:
        line(tick)
    for width in (20, 60, 80, 100, 140):
        said = printed(line, width=width)
        assert len(said.splitlines()) == 1
        assert len(said) <= width
    said, (*_, last) = printed(line, width=80), readings(flights[0])
    assert f"{last.reward:.1f} F{last.counts[0] / len(flights[0].ticks):.0%} H" in said, "all of it in 80 columns"
    assert "…" not in said
    printed(line, width=80, encoding="ascii").encode("ascii")


def test_a_terminal_that_takes_nothing_holds_no_tick_up(flights: list[Flight]) -> None:
    """A terminal that is stopped blocks whoever paints, in mid-write; the flight goes on."""
    writing, let_go = threading.Event(), threading.Event()

    class Stopped(io.StringIO):
        def write(self, text: str, /) -> int:
            writing.set()
            assert let_go.wait(60)
            return len(text)

    line = LiveLine(LANDER, SETUP.seeds)
    line(flights[0].ticks[0])
    paints = threading.Thread(target=Console(file=Stopped(), width=100).print, args=(line,))
    paints.start()
    assert writing.wait(60)
    flies = threading.Thread(target=lambda: [line(tick) for tick in flights[0].ticks])
    flies.start()
    flies.join(60)
    assert not flies.is_alive()
    assert paints.is_alive(), "still painting the first tick"
    let_go.set()
    paints.join()
    assert f"tick {len(flights[0].ticks) - 1:>3} " in printed(line), "the newest, not the next"


def test_observers_see_every_tick_and_change_none(tmp_path: Path) -> None:
    seen: list[Tick] = []
    watched = evaluate(prepare(SETUP), tmp_path / "watched", observers=[seen.append])
    alone = evaluate(prepare(SETUP), tmp_path / "alone")
    assert [(tick.tick, tick.action) for tick in seen] == [
        (tick.tick, tick.action) for flight in alone.flights for tick in flight.ticks
    ]
    assert watched.as_json() | {"run": ""} == alone.as_json() | {"run": ""}


def test_a_verdict_is_watched_where_latency_counts(tmp_path: Path) -> None:
    seen: list[Tick] = []
    setup = Setup("cartpole", "teacher", episodes=2, clock=ClockName.VIRTUAL, delay="100")
    judgement = reach_verdict(setup, tmp_path / "verdict", observers=[seen.append])
    assert len(seen) == sum(flight.episode.steps for flight in judgement.real_time.flights)
    assert len(seen) < sum(flight.episode.steps for flight in judgement.frozen.flights)


def on_a_terminal(tmp_path: Path, *options: str, environment: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Fly with stderr on a terminal 120 columns wide; return what was printed on stdout, and seen on the terminal."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    asked = ["eval", "cartpole", "teacher", "--delay", "60", "--late", "noop", "--seed", "7", "--runs", str(tmp_path)]
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    flies = subprocess.Popen(
        [sys.executable, "-m", "ontick", *asked, "--episodes", "1", "--clock", "virtual", *options],
        stdout=subprocess.PIPE,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        env={**clean, "TERM": "xterm-256color", "COLUMNS": "120", **(environment or {})},
    )
    os.close(theirs)
    seen = bytearray()
    reads = threading.Thread(target=_read_all, args=(ours, seen))
    reads.start()
    out, _ = flies.communicate()
    reads.join()
    os.close(ours)
    assert flies.returncode == 0
    return out.decode(), seen.decode()


def _read_all(terminal: int, seen: bytearray) -> None:
    try:
        while data := os.read(terminal, 1 << 16):
            seen += data
    except OSError:  # whoever wrote there has gone
        return


def test_live_on_a_terminal_shows_the_last_tick_in_colour_and_leaves_stdout_alone(tmp_path: Path) -> None:
    out, seen = on_a_terminal(tmp_path, "--live", "--json")
    result = json.loads(out)
    assert len(out.splitlines()) == 1
    shown = CONTROL.sub("", seen)
    assert f"seed 7  tick {result['episodes'][0]['steps'] - 1:>3}" in shown
    assert "60 ms" in shown
    assert "1/1" in shown
    assert COLOUR.search(seen)
    assert not COLOUR.search(out)


def test_no_color_is_respected(tmp_path: Path) -> None:
    out, seen = on_a_terminal(tmp_path, "--live", environment={"NO_COLOR": "1"})
    assert "seed 7" in seen
    assert not COLOUR.search(seen)
    assert not COLOUR.search(out)


@pytest.mark.parametrize("options", [(), ("--live",)])
def test_a_terminal_that_moves_no_cursor_gets_no_line(options: tuple[str, ...], tmp_path: Path) -> None:
    _, seen = on_a_terminal(tmp_path, *options, environment={"TERM": "dumb"})
    assert seen == ""


def test_without_a_terminal_nothing_is_shown_unless_forced(tmp_path: Path) -> None:
    asked = ["eval", "cartpole", "none", "--episodes", "1", "--clock", "virtual", "--live", "--runs", str(tmp_path)]
    command = [sys.executable, "-m", "ontick", *asked]
    for forced in ("0", "1"):
        flown = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "TTY_COMPATIBLE": forced}
        )
        assert ("seed 0" in flown.stderr) == (forced == "1")
        assert (flown.stderr == "") == (forced == "0")
