from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.tasks.base import Feature
from ontick.wording import LETTERS, READERS, WRITERS, ZERO, Numbers, explain

SPEED = Feature("v", "m/s", 2, 2.4)
LEG = Feature("leg", "", 0)
VALUES = st.floats(-5, 5, width=32)


@given(VALUES)
def test_whole_numbers_can_be_read_back_to_half_of_the_last_decimal(value: float) -> None:
    assert int(WRITERS[Numbers.WHOLE](value, SPEED)) / 100 == pytest.approx(value, abs=0.005001)


@given(VALUES, st.sampled_from([Numbers.TWO, Numbers.THREE]))
def test_decimals_can_be_read_back_and_are_as_many_as_asked_for(value: float, numbers: Numbers) -> None:
    said = WRITERS[numbers](value, SPEED)
    assert len(said.partition(".")[2]) == int(numbers)
    assert float(said) == pytest.approx(value, abs=0.50001 / 10 ** int(numbers))
    assert said.strip("-0.") or not said.startswith("-"), "no negative zero"


@given(VALUES)
def test_a_letter_is_the_nearest_of_equal_steps_and_ends_at_the_limit(value: float) -> None:
    letter = WRITERS[Numbers.LETTER](value, SPEED)
    step = SPEED.limit / (len(LETTERS) // 2)
    read_back = (LETTERS.index(letter) - LETTERS.index(ZERO)) * step
    within = max(-SPEED.limit, min(SPEED.limit, value))
    assert abs(read_back - within) <= step / 2 + 1e-9


@given(VALUES)
def test_a_fine_letter_is_the_nearest_of_equal_steps_of_the_square_root(value: float) -> None:
    place = LETTERS.index(WRITERS[Numbers.FINE](value, SPEED)) - LETTERS.index(ZERO)
    root = min(1.0, abs(value) / SPEED.limit) ** 0.5
    assert abs(abs(place) / (len(LETTERS) // 2) - root) <= 1 / 24 + 1e-9
    assert place * value >= 0


def test_fine_letters_are_finest_near_zero() -> None:
    read = [READERS[Numbers.FINE](letter, SPEED) for letter in LETTERS]
    steps = [high - low for low, high in pairwise(read)]
    assert (read[0], read[12], read[-1]) == (-SPEED.limit, 0, SPEED.limit)
    assert steps[12:] == sorted(steps[12:])
    assert steps[:12] == pytest.approx(steps[:11:-1])
    assert steps[12] < SPEED.limit / 100 < SPEED.limit / 12 < steps[-1]


@given(VALUES, VALUES, st.sampled_from([Numbers.LETTER, Numbers.FINE]))
def test_letters_keep_the_order_of_values(a: float, b: float, numbers: Numbers) -> None:
    write = WRITERS[numbers]
    assert (a <= b) <= (write(a, SPEED) <= write(b, SPEED))
    assert write(-a, SPEED) == LETTERS[-1 - LETTERS.index(write(a, SPEED))]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [(Numbers.WHOLE, "1"), (Numbers.TWO, "1"), (Numbers.THREE, "1"), (Numbers.LETTER, "y"), (Numbers.FINE, "y")],
)
def test_what_has_no_decimals_is_given_none(numbers: Numbers, said: str) -> None:
    assert WRITERS[numbers](1.0, LEG) == said


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (Numbers.WHOLE, "v x 100, leg"),
        (Numbers.TWO, "v, leg"),
        (Numbers.LETTER, "v (-2.4 to 2.4), leg (-1 to 1), each as a letter: a lowest, m zero, y highest"),
        (Numbers.FINE, "v, leg, each as a letter: a lowest, m zero, y highest"),
    ],
)
def test_a_reader_is_told_what_the_writing_stands_for(numbers: Numbers, told: str) -> None:
    assert explain([SPEED, LEG], numbers) == told


@given(st.floats(-3, 3), st.sampled_from(Numbers))
def test_what_is_read_back_is_written_the_same_again(value: float, numbers: Numbers) -> None:
    for feature in (SPEED, LEG):
        said = WRITERS[numbers](value, feature)
        assert WRITERS[numbers](READERS[numbers](said, feature), feature) == said
