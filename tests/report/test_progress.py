"""How far, and how long still: one bar over all parts of a work, whose time left goes down."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ontick.evaluation import verdict
from ontick.evaluation.episodes import ClockName, Progress, Setup
from ontick.evaluation.phases import PARTS, Phases
from ontick.report import terminal
from ontick.report.terminal import Bar


class Told(list[tuple[int, int, str]]):
    """What was told of some work's progress."""

    def __call__(self, done: int, total: int, last: str) -> None:
        self.append((done, total, last))


@given(st.lists(st.tuples(st.floats(0.1, 50), st.integers(0, 9)), min_size=1, max_size=6))
def test_phases_go_on_where_the_one_before_has_ended(parts: list[tuple[float, int]]) -> None:
    told = Told()
    shares = {f"part {number}": share for number, (share, _) in enumerate(parts)}
    phases = Phases(told, shares)
    for name, (_, total) in zip(shares, parts, strict=True):
        tell = phases.of(name)
        for done in range(total + 1):
            tell(done, total, "so it goes")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][0] == PARTS
    assert {total for _, total, _ in told} == {PARTS}
    assert all(what.startswith("part ") for *_, what in told)


def test_phases_within_a_phase_stay_in_it_and_say_where_they_are() -> None:
    told = Told()
    outer = Phases(told, {"one": 1.0, "two": 3.0})
    inner = Phases(outer.of("two"), {"a": 1.0, "b": 1.0})
    inner.of("a")(1, 2, "well")
    inner.of("b")(0, 7, "")
    assert told == [(438, PARTS, "two: a 1/2: well"), (625, PARTS, "two: b 0/7")]


def test_a_verdict_is_one_bar_that_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flown_anew(setup: Setup, progress: Progress) -> float:  # whether or not another test has had it remembered
        for done in range(17):
            progress(done, 16, "40 ms")
        return 60.0

    monkeypatch.setattr(verdict, "task_needs_ms", flown_anew)
    told = Told()
    setup = Setup("cartpole", "teacher", episodes=2, clock=ClockName.VIRTUAL, delay="100")
    verdict.reach_verdict(setup, tmp_path / "run", told)
    assert all(later >= earlier for (earlier, *_), (later, *_) in itertools.pairwise(told))
    assert {total for _, total, _ in told} == {PARTS}
    for part in ("what the task allows 16/16: ", "time frozen 2/2: perfect", "real time 1/2: fell", "remedy "):
        assert any(what.startswith(part) for *_, what in told), part


class _Time:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> _Time:
    time = _Time()
    monkeypatch.setattr(terminal, "monotonic", time)
    return time


def seen(bar: Bar) -> str:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as capture:
        console.print(bar)
    return " ".join(capture.get().split())


def test_the_time_left_is_reckoned_from_where_the_work_began_and_goes_down(time: _Time) -> None:
    bar = Bar("flights", is_seen=True)
    assert "left" not in seen(bar)
    time.now_s = 100.0  # a model was loaded
    bar(0, 10, "")
    assert "0/10" in seen(bar)
    assert "left" not in seen(bar)
    time.now_s = 105.0
    bar(1, 10, "landed")
    assert "1/10 0:45 left landed" in seen(bar)
    time.now_s = 108.0
    assert "1/10 0:42 left landed" in seen(bar), "between two steps too"
    time.now_s = 300.0
    assert "1/10 0:00 left landed" in seen(bar)


def test_work_that_goes_on_after_a_kill_is_reckoned_from_there(time: _Time) -> None:
    bar = Bar("training", is_seen=True)
    time.now_s = 20.0
    bar(500, 1000, "")
    time.now_s = 21.0
    bar(510, 1000, "loss 0.1")
    assert "51% 0:49 left loss 0.1" in seen(bar)


def test_a_long_time_is_told_in_hours(time: _Time) -> None:
    bar = Bar("training", is_seen=True)
    bar(0, 100, "")
    time.now_s = 100.0
    bar(1, 100, "loss 0.1")
    assert "1/100 2:45:00 left" in seen(bar)
