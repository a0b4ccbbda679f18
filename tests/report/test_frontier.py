"""The picture of flying against knowledge: every point and line is on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ontick.errors import OntickError
from ontick.report.plots import plot_frontier

POINTS = [
    {"name": "the base", "kind": "end", "flown": 0.0, "kept": 1.0},
    {"name": "keeps nothing", "kind": "end", "flown": 0.5, "kept": 0.2},
    {"name": "$x$ <b>", "kind": "kept", "flown": 0.9, "kept": 0.95},
    *({"name": f"{n}", "line": "between", "flown": n / 10, "kept": 1 - n / 12} for n in range(1, 9)),
]


def test_every_point_and_line_is_on_it_and_the_same_points_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one.svg", "other.svg"):
        plot_frontier(POINTS, tmp_path / name)
    drawn = (tmp_path / "one.svg").read_text()
    assert drawn == (tmp_path / "other.svg").read_text()
    for words in ("the base", "keeps nothing", "$x$ &lt;b&gt;", "between", "landed", "still right"):
        assert words in drawn


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="cannot write"):
        plot_frontier(POINTS, tmp_path / "nowhere" / "picture.png")
