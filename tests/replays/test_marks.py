from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ontick.late import Source
from ontick.records import AnswerRecord, Tick
from ontick.replays.marks import find_marks

answers = st.lists(st.booleans(), max_size=3).map(
    lambda valid: tuple(AnswerRecord(0, 0.0, 1.0, 0 if good else None, good) for good in valid)
)
flown = st.lists(st.tuples(st.sampled_from(Source), st.integers(0, 3), st.integers(0, 2), answers), max_size=30)


def ticks_of(drawn: list[tuple[Source, int, int, tuple[AnswerRecord, ...]]]) -> list[Tick]:
    return [
        Tick(k, 20.0 * k, 0.0, np.zeros(2), action, source, None, 1.0, said)
        for k, (source, action, _, said) in enumerate(drawn)
    ]


@given(flown)
def test_marks_are_the_first_ticks_of_their_kind(
    drawn: list[tuple[Source, int, int, tuple[AnswerRecord, ...]]],
) -> None:
    late, against, invalid = list[int](), list[int](), list[int]()
    for k, (source, action, wanted, said) in enumerate(drawn):
        if source.value in ("held", "noop"):
            late.append(k)
        if action != wanted:
            against.append(k)
        if [answer for answer in said if answer.valid is False]:
            invalid.append(k)
    marks = find_marks(ticks_of(drawn), [wanted for _, _, wanted, _ in drawn])
    assert marks.first_late == min(late, default=None)
    assert marks.first_disagreement == min(against, default=None)
    assert marks.first_invalid == min(invalid, default=None)


@given(flown)
def test_without_a_teacher_no_one_disagrees(drawn: list[tuple[Source, int, int, tuple[AnswerRecord, ...]]]) -> None:
    ticks = ticks_of(drawn)
    with_one = find_marks(ticks, [wanted for _, _, wanted, _ in drawn])
    assert find_marks(ticks, None) == with_one._replace(first_disagreement=None)
