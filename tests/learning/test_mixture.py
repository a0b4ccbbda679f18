"""Who acts: the student, the teacher, or either by a coin that belongs to the state."""

from __future__ import annotations

import numpy as np
import pytest

from ontick.errors import OntickError
from ontick.learning.mixture import Beta, Mixture
from ontick.tasks import find_task

LANDER = find_task("lunarlander")
STATES = np.random.default_rng(0).normal(size=(4000, 8)).astype(np.float32)


class Always:
    def __init__(self, action: int) -> None:
        self.action = action

    def decide_many(self, states: object) -> list[int]:
        return [self.action] * len(np.asarray(states))


def mixture(beta: float, salt: int = 1) -> Mixture:
    return Mixture(LANDER, Always(1), lambda state: 2, beta, salt)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_teacher_acts_in_its_share_of_the_states(beta: float) -> None:
    actor = mixture(beta)
    acted = actor.decide_many(STATES)
    assert np.mean(np.equal(acted, 2)) == pytest.approx(beta, abs=0.03 if 0 < beta < 1 else 0)
    assert actor.said(STATES[::-1]).tolist() == [1] * len(STATES)


def test_who_acts_in_a_state_does_not_depend_on_what_it_is_asked_with() -> None:
    together = mixture(0.5).decide_many(STATES)
    actor = mixture(0.5)
    apart = [actor.decide_many(part) for part in np.array_split(STATES[::-1], 7)]
    assert [action for part in apart for action in part][::-1] == together
    assert mixture(0.5, salt=2).decide_many(STATES) != together


@pytest.mark.parametrize(
    ("word", "first_three"),
    [
        ("0", [0, 0, 0]),
        ("0.25", [0.25] * 3),
        ("1", [1, 1, 1]),
        ("power:0.5", [0.5, 0.25, 0.125]),
        ("linear:2", [0.5, 0, 0]),
        ("linear:4", [0.75, 0.5, 0.25]),
    ],
)
def test_a_schedule_is_what_its_word_says(word: str, first_three: list[float]) -> None:
    assert [Beta.parse(word).at(number) for number in (1, 2, 3)] == first_three


@pytest.mark.parametrize(
    "word", ["", "2", "-1", "nan", "power:2", "power:", "linear:0", "linear:inf", "often", "x:0.5"]
)
def test_a_malformed_schedule_says_how_to_write_one(word: str) -> None:
    with pytest.raises(OntickError, match=r"power:0\.5 or linear:4"):
        Beta.parse(word)
