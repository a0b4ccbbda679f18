"""What a student got wrong: counts that add up, and sentences that say what the counts say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.learning.corrections import describe_corrections
from ontick.tasks import find_task

CARTPOLE, LANDER = find_task("cartpole"), find_task("lunarlander")
NOTHING, LEFT, MAIN, RIGHT = range(4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=80))
def test_the_counts_are_those_of_counting_by_hand(rows: list[tuple[int, int, int]]) -> None:
    said, wanted, episodes = (np.array(column) for column in zip(*rows, strict=True))
    found = describe_corrections(LANDER, said, wanted, episodes)
    differ = [(LANDER.actions[a], LANDER.actions[b]) for a, b, _ in rows if a != b]
    assert found["states"] == len(rows)
    assert found["episodes"] == len({seed for *_, seed in rows})
    assert found["disagreements"] == len(differ)
    assert {(pair["said"], pair["wanted"]): pair["n"] for pair in found["confusion"]} == {
        pair: differ.count(pair) for pair in differ
    }
    low, high = found["rate_ci95"]
    assert 0 <= low <= found["rate"] == len(differ) / len(rows) <= high <= 1
    assert sum(found["corrections"].values()) == pytest.approx(1 if differ else 0)


def test_it_is_said_in_words() -> None:
    said = np.array([MAIN] * 31 + [LEFT] * 64 + [NOTHING] * 5 + [RIGHT] * 100)
    wanted = np.array([NOTHING] * 31 + [RIGHT] * 64 + [MAIN] * 5 + [RIGHT] * 100)
    first, *words = describe_corrections(LANDER, said, wanted, np.arange(200) // 10)["words"]
    assert first.startswith("it disagrees with the teacher in 50.0% of the states (")
    assert words == [
        "in 31% of the disagreements it acts where the teacher says nothing",
        "in 64% of the disagreements it says left engine where the teacher says right engine",
        "in 31% of the disagreements it says main engine where the teacher says nothing",
    ]


def test_one_who_always_agrees_is_told_so() -> None:
    found = describe_corrections(CARTPOLE, np.zeros(50), np.zeros(50), np.zeros(50))
    assert found["disagreements"] == found["rate"] == 0
    assert found["words"] == ["it disagrees with the teacher in 0.0% of the states (0.0% to 7.1%)"]
