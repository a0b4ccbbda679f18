"""What do many episodes come to? The ``summary`` of ``eval --json``, computed from the record alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ontick.evaluation.collapse import describe_collapse
from ontick.evaluation.failures import describe_failures
from ontick.evaluation.prediction_error import describe_prediction
from ontick.evaluation.statistics import bootstrap_ci95, percentiles, wilson_ci95
from ontick.records import INTERRUPTED, AnswerRecord, Flight, Json
from ontick.tasks.base import Task

COMMON_MEASURES = ("perfect", "landed", "solved", "timeouts")
"""Counts that every summary has, null where the task does not know them."""


def summarise(task: Task, flights: Sequence[Flight], price: tuple[float, float] | None = None) -> Json:
    """Return the statistics of finished episodes; interrupted ones are left out.

    The success rate's interval is Wilson's, the mean reward's a bootstrap; both are null without episodes.
    ``price`` is in dollars for a million prompt tokens, and for a million answered ones.
    """
    flights = [flight for flight in flights if flight.episode.outcome != INTERRUPTED]
    episodes = [flight.episode for flight in flights]
    ticks = [tick for flight in flights for tick in flight.ticks]
    n = len(episodes)
    rewards = [episode.reward for episode in episodes]
    measured = {name: sum(map(counts, episodes)) for name, counts in task.measures.items()}
    answers = [answer for flight in flights for answer in flight.answers()]
    actions = Counter(tick.action for tick in ticks)
    successes = measured[task.success]
    return {
        "n": n,
        "reward_mean": math.fsum(rewards) / n if n else None,
        "reward_ci95": list(bootstrap_ci95(rewards)) if n else None,
        "steps_median": _median([episode.steps for episode in episodes]),
        **dict.fromkeys(COMMON_MEASURES),
        **measured,
        "success": task.success,
        "success_rate": successes / n if n else None,
        "success_ci95": list(wilson_ci95(successes, n)) if n else None,
        "outcomes": dict(Counter(episode.outcome for episode in episodes)),
        **describe_failures(task, flights),
        "action_counts": {task.action_name(action): actions[action] for action in sorted(actions)},
        "fresh_ticks": sum(episode.fresh_ticks for episode in episodes),
        "planned_ticks": sum(episode.planned_ticks for episode in episodes),
        "late_ticks": sum(episode.late_ticks for episode in episodes),
        "stale_answers": sum(episode.stale_answers for episode in episodes),
        "invalid_answers": sum(episode.invalid_answers for episode in episodes),
        "failures": dict(
            Counter(answer.failure or "illegal" for answer in answers if answer.failure or not answer.valid)
        ),
        "cut_plans": sum(answer.valid and answer.failure is not None for answer in answers),
        "decision_ms": percentiles([answer.latency_ms for answer in answers], 50, 95, 99),
        "ttft_ms": percentiles([answer.ttft_ms for answer in answers if answer.ttft_ms is not None], 50, 95, 99),
        "usage": describe_usage(task, flights, price),
        "prediction": describe_prediction(task, flights),
        "tick_lateness_ms": percentiles([tick.lateness_ms for tick in ticks], 50, 99),
        "overrun_ticks": sum(episode.overrun_ticks for episode in episodes),
        "collapse": describe_collapse(task, flights, successes),
    }


def describe_usage(task: Task, flights: Sequence[Flight], price: tuple[float, float] | None = None) -> Json:
    """Return what was asked, how often, and what it cost: the ``usage`` of a summary.

    The cost is a lower bound where there are ``uncounted`` requests.
    """
    answers = [answer for flight in flights for answer in flight.answers()]
    prompt = [answer.prompt_tokens for answer in answers if answer.prompt_tokens is not None]
    completion = [answer.completion_tokens for answer in answers if answer.completion_tokens is not None]
    usd = None
    if price is not None and prompt and completion:
        usd = (sum(prompt) * price[0] + sum(completion) * price[1]) / 1e6
    return {
        "requests": len(answers),
        "uncounted": len(answers) - min(len(prompt), len(completion)),
        "prompt_tokens": sum(prompt) if prompt else None,
        "completion_tokens": sum(completion) if completion else None,
        "usd": usd,
        "usd_per_episode": usd / len(flights) if usd is not None and flights else None,
        **_pace(answers, sum(flight.episode.steps for flight in flights) * task.tick_s),
    }


def _pace(answers: Sequence[AnswerRecord], flown_s: float) -> Json:
    """Return how often it was asked, and what a limit on that cost: how much earlier requests would have started."""
    held_back_ms = [answer.held_back_ms or 0.0 for answer in answers]
    return {
        "requests_per_second": len(answers) / flown_s if flown_s else None,
        "held_back_ms": percentiles(held_back_ms, 50, 95) if any(held_back_ms) else None,
        "held_back_share": min(1.0, math.fsum(held_back_ms) / (1e3 * flown_s)) if any(held_back_ms) else None,
    }


def _median(values: Sequence[int]) -> float | None:
    return percentiles(values, 50)["p50"]
