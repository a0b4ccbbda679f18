from __future__ import annotations

from ontick.viewer.lanes.table import MOST_ROWS, Flown, Table

EPISODE = Flown("teacher", False, False, "cartpole", "hold", 0.0, "perfect", True, 500.0, 500, 10, (1.0, 3.0))


def test_a_row_for_who_task_rule_and_delay() -> None:
    table = Table()
    table.add(EPISODE)
    table.add(EPISODE._replace(success=False, reward=100.0, steps=100, late_ticks=50, latencies_ms=(2.0,)))
    table.add(EPISODE._replace(late="noop"))
    table.add(EPISODE._replace(delay_ms=40.0))
    table.add(EPISODE._replace(late=None, delay_ms=None))
    both, *others = table.rows()
    assert (both["episodes"], both["successes"], both["success_name"]) == (2, 1, "perfect")
    assert (both["reward_mean"], both["steps_median"]) == (300.0, 300.0)
    assert (both["decision_p50_ms"], both["late_share"]) == (2.0, 0.1)
    assert [(row["late"], row["delay_ms"]) for row in others] == [("noop", 0.0), ("hold", 40.0), (None, None)]


def test_a_persons_decision_latency_is_the_measured_reaction() -> None:
    table = Table()
    table.add(EPISODE._replace(who="you", you=True, latencies_ms=()))
    assert table.rows()[0]["decision_p50_ms"] is None
    table.react((200.0, 250.0, 300.0))
    (row,) = table.rows()
    assert (row["who"], row["you"], row["decision_p50_ms"]) == ("you", True, 250.0)


def test_more_time_to_think_is_told_of_a_person_and_means_nothing_for_a_controller() -> None:
    table = Table()
    table.add(EPISODE._replace(who="you", you=True))
    table.add(EPISODE._replace(who="you", you=True, slowed=True))
    table.add(EPISODE)
    table.add(EPISODE._replace(slowed=True))
    assert [(row["who"], row["episodes"]) for row in table.rows()] == [
        ("you", 1),
        ("you (slow motion)", 1),
        ("teacher", 2),
    ]


def test_the_table_does_not_grow_without_end() -> None:
    table = Table()
    for delay in range(MOST_ROWS + 5):
        table.add(EPISODE._replace(delay_ms=float(delay)))
    assert [row["delay_ms"] for row in table.rows()] == list(range(5, MOST_ROWS + 5))
