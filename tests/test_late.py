"""Laws of the late rules and of choosing among answers."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from ontick.late import LateRule, Source, apply_rule, newest_of


class Said(NamedTuple):
    observation_tick: int
    action: int | None


answers = st.lists(st.builds(Said, st.integers(0, 30), st.none() | st.integers(0, 3)), max_size=6)


@given(answers, st.integers(-1, 30))
def test_the_fresh_answer_is_the_newest_usable_one(arrived: list[Said], newest_used: int) -> None:
    fresh = newest_of(arrived, newest_used)
    usable = [said for said in arrived if said.action is not None and said.observation_tick > newest_used]
    assert (fresh is None) == (not usable)
    if fresh is not None:
        assert fresh.observation_tick == max(said.observation_tick for said in usable)


@given(answers, answers, st.integers(-1, 30))
def test_nothing_older_than_what_was_used_comes_back(first: list[Said], later: list[Said], newest_used: int) -> None:
    fresh = newest_of(first, newest_used)
    used = newest_used if fresh is None else fresh.observation_tick
    after = newest_of(later, used)
    assert after is None or after.observation_tick > used


@given(st.sampled_from(LateRule), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_fresh_action_wins_under_every_rule(rule: LateRule, fresh: int, held: int, noop: int) -> None:
    assert apply_rule(rule, fresh, held, noop) == (fresh, Source.FRESH)


def test_without_one_the_rule_decides() -> None:
    assert apply_rule(LateRule.HOLD, None, 1, 2) == (1, Source.HELD)
    assert apply_rule(LateRule.NOOP, None, 1, 2) == (2, Source.NOOP)
