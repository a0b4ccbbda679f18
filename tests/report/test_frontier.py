"""The picture of flying against knowledge: every point and line is on it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ontick.errors import OntickError
from ontick.report.plots import frontier_figure, plot_frontier

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


def test_names_of_points_in_one_place_are_beside_each_other() -> None:
    words = ("nothing", "one way", "another way", "a third")
    figure = frontier_figure([{"name": name, "kind": "kept", "flown": 1.0, "kept": 0.9} for name in words])
    figure.draw_without_rendering()
    (axis,) = figure.axes
    names = {text.get_text(): text.get_window_extent() for text in axis.texts if text.get_text()}
    assert set(names) == set(words)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(names.values(), 2))
