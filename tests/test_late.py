"""Laws of the late rules and of plans: which of the answers that have arrived acts at a tick."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from ontick.late import LateRule, Source, Turn, apply_rule, take_turn


class Said(NamedTuple):
    observation_tick: int
    begins: int
    actions: tuple[int, ...]
    arrives: int
    """At which tick it is collected."""


TICKS = 30
plans = st.builds(
    Said,
    st.integers(0, TICKS),
    st.integers(0, TICKS),
    st.lists(st.integers(0, 3), max_size=6).map(tuple),
    st.integers(0, TICKS),
)
schedules = st.lists(plans, max_size=12, unique_by=lambda said: said.observation_tick)
single = plans.map(lambda said: said._replace(begins=said.observation_tick, actions=said.actions[:1]))


def run(schedule: list[Said]) -> list[Turn]:
    turns = [Turn()]
    for tick in range(TICKS + 1):
        turns.append(take_turn(turns[-1], tick, [said for said in schedule if said.arrives == tick]))
    return turns[1:]


def governing(schedule: list[Said], tick: int) -> Said | None:
    """Of all that has come and is due, the one about the newest observation."""
    due = [said for said in schedule if said.actions and max(said.arrives, said.begins) <= tick]
    return max(due, default=None)


@given(schedules)
def test_the_newest_plan_that_is_due_replaces_what_is_left_of_the_one_before(schedule: list[Said]) -> None:
    turns = run(schedule)
    for tick, turn in enumerate(turns):
        now, before = governing(schedule, tick), governing(schedule, tick - 1) if tick else None
        assert turn.fresh == (now != before)
        if now is None:
            assert turn.action is None
        elif tick < now.begins + len(now.actions):
            assert turn.action == now.actions[tick - now.begins]
        else:
            assert turn.action == (now.actions[-1] if turn.fresh else None)


@given(st.lists(single, max_size=12, unique_by=lambda said: said.observation_tick))
def test_a_single_action_acts_at_the_tick_that_collects_it_or_never(schedule: list[Said]) -> None:
    schedule = [said._replace(arrives=max(said.arrives, said.observation_tick)) for said in schedule]
    turns = run(schedule)
    newest = -1
    for tick, turn in enumerate(turns):
        arrived = [said for said in schedule if said.arrives == tick and said.actions]
        fresh = [said for said in arrived if said.observation_tick > newest]
        assert (turn.action, turn.fresh) == ((max(fresh).actions[0], True) if fresh else (None, False))
        newest = max([newest, *(said.observation_tick for said in fresh)])


@given(schedules)
def test_every_usable_answer_acts_is_stale_or_still_waits(schedule: list[Said]) -> None:
    turns = run(schedule)
    usable = sum(bool(said.actions) for said in schedule)
    assert sum(turn.fresh for turn in turns) + turns[-1].stale + len(turns[-1].waiting) == usable


@given(schedules, st.integers(0, TICKS))
def test_what_is_foretold_is_what_happens_when_nothing_else_comes(schedule: list[Said], tick: int) -> None:
    known = [said for said in schedule if said.arrives <= tick]
    turns = run(known)
    before = turns[tick - 1] if tick else Turn()
    foretold = before.foretold(tick, [said for said in known if said.arrives == tick])
    happened = [turn.action for turn in turns[tick:]]
    assert [*foretold, *[None] * len(happened)][: len(happened)] == happened
    assert not foretold or foretold[-1] is not None


@given(st.sampled_from(LateRule), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_what_was_answered_wins_under_every_rule(rule: LateRule, answered: int, initial: int, noop: int) -> None:
    assert apply_rule(rule, Turn(answered, True, 5), initial, noop) == (answered, Source.FRESH, 5)
    assert apply_rule(rule, Turn(answered, False, 5), initial, noop) == (answered, Source.PLANNED, 5)


def test_without_an_answer_the_rule_decides() -> None:
    assert apply_rule(LateRule.HOLD, Turn(None), 1, 2) == (1, Source.HELD, None)
    assert apply_rule(LateRule.HOLD, Turn(None, newest_used=5, last_action=0), 1, 2) == (0, Source.HELD, 5)
    assert apply_rule(LateRule.NOOP, Turn(None, newest_used=5, last_action=0), 1, 2) == (2, Source.NOOP, None)
