"""Has a policy collapsed? What its answers say on their own, and against the teacher's for the same states.

A collapsed policy gives the same answer whatever it sees: its answers have little entropy, it repeats one of them in
long runs, and it misses what the teacher wants wherever that is something else. The alarm sounds only where
that is beyond chance, the teacher wants what is missing, and the policy does not succeed anyway.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ontick.errors import OntickError, blame
from ontick.records import AnswerRecord, Flight, Json, State
from ontick.tasks.base import Task

CHANCE = 1e-6
"""How seldom a controller that answers by chance may be accused of leaving an action out."""

RARE = 0.1
"""An action given at most this often, as a share of what chance would give, is as good as left out."""

ALMOST_ALWAYS = 0.9
"""An action given in at least this share of the answers leaves all others out."""

WANTED_SHARE = 0.1
"""What is left out matters when the teacher wants it in at least this share of the states."""

RECALLED_SHARE = 0.1
"""… and when the answers hit at most this share of those states."""

SUCCESS_RATE = 0.9
"""A policy that succeeds this often is in no rut, whatever it does."""

AGREES_SHARE = 0.8
FAILS_RATE = 0.5
"""Agreeing with the teacher at least so often and succeeding less often than this is a gap worth a note."""

IN_TIME_SHARE = 0.95
"""Actions made for the very state that they act on, from which latency is no explanation."""


class Answered(NamedTuple):
    """One answer, and what the teacher wants in the same state."""

    action: int | None
    """None: it named no legal action."""
    wanted: int | None
    """None: the task has no teacher."""


def describe_collapse(task: Task, flights: Sequence[Flight], successes: int) -> Json:
    """Return the ``collapse`` of a summary: the controller's own answers, used or not, in finished episodes."""
    episodes = _label(task, flights)
    answers = [answer for episode in episodes for answer in episode]
    rate = successes / len(flights) if flights else None
    longest = max(map(longest_run, episodes), key=lambda run: run[1], default=(None, 0))
    agreement = accuracy(answers)
    return {
        "answers": len(answers),
        **spread(task, answers),
        "longest_run": longest[1],
        "longest_run_action": None if longest[0] is None else task.action_name(longest[0]),
        "recall": recall(task, answers),
        "offline_accuracy": agreement,
        "rut": find_rut(task, answers, rate),
        "note": None if rate is None or agreement is None else _gap(task, flights, agreement, rate, successes),
    }


def spread(task: Task, answers: Iterable[Answered]) -> Json:
    """Return the entropy of the actions answered and the commonest of them.

    The entropy is Shannon's (1948), in bits, of the observed shares: 0 for one action, log2 of their number at most.
    """
    counts = Counter(answer.action for answer in answers if answer.action is not None)
    total = counts.total()
    top, times = max(counts.items(), key=lambda item: item[1], default=(None, 0))
    return {
        "entropy_bits": math.fsum(-n / total * math.log2(n / total) for n in counts.values()) + 0.0 if total else None,
        "top_action": None if top is None else task.action_name(top),
        "top_share": times / total if total else None,
    }


def recall(task: Task, answers: Iterable[Answered]) -> dict[str, float | None]:
    """Return, for each action, in which share of the states where the teacher wants it it was answered."""
    wanted, hit = Counter[int](), Counter[int]()
    for action, want in answers:
        if want is not None:
            wanted[want] += 1
            hit[want] += action == want
    return {name: hit[i] / wanted[i] if wanted[i] else None for i, name in enumerate(task.actions)}


def accuracy(answers: Sequence[Answered]) -> float | None:
    """Return the share of states in which the answer is what the teacher wants."""
    labelled = [action == want for action, want in answers if want is not None]
    return sum(labelled) / len(labelled) if labelled else None


def longest_run(answers: Iterable[Answered]) -> tuple[int | None, int]:
    """Return the action that was answered most often in a row, and how often."""
    runs = ((action, len(list(run))) for action, run in itertools.groupby(answer.action for answer in answers))
    return max((run for run in runs if run[0] is not None), key=lambda run: run[1], default=(None, 0))


def find_rut(task: Task, answers: Sequence[Answered], success_rate: float | None = None) -> str | None:
    """Name the rut that a policy is in, in a few words; None when there is none or too little to tell.

    The actions that are as good as left out make a rut if that is beyond chance, the teacher wants them in a tenth of
    the states or more, and it hardly ever gets one. Without a teacher only a policy that gives one and the same action
    all the time is in one.
    """
    given = Counter(action for action, _ in answers if action is not None)
    if not given or (success_rate or 0) >= SUCCESS_RATE:
        return None
    actions = set(range(len(task.actions)))
    top, times = given.most_common(1)[0]
    others = actions - {top}
    rare = {action for action in actions if given[action] <= RARE * given.total() / len(actions)}
    unlabelled = all(answer.wanted is None for answer in answers)
    if unlabelled:
        suspects = [others] if len(given) == 1 else []
    else:
        suspects = [others, rare] if times >= ALMOST_ALWAYS * given.total() else [rare]
    for left_out in suspects:
        if left_out and beyond_chance(given, left_out, len(actions)):
            missed = left_out if unlabelled else _missed(answers, left_out)
            if missed:
                return _say(task, given, actions - left_out, missed)
    return None


def _missed(answers: Iterable[Answered], left_out: Collection[int]) -> set[int]:
    """Return which of the actions left out are missed; none unless together they are wanted often and seldom given."""
    labelled = [answer for answer in answers if answer.wanted is not None]
    wanted = Counter(want for _, want in labelled if want in left_out)
    hits = Counter(want for action, want in labelled if want in left_out and action == want)
    if wanted.total() < WANTED_SHARE * len(labelled) or hits.total() > RECALLED_SHARE * wanted.total():
        return set()
    return {
        action
        for action in left_out
        if wanted[action] >= WANTED_SHARE * wanted.total() and hits[action] <= RECALLED_SHARE * wanted[action]
    }


def beyond_chance(given: Counter[int], left_out: Collection[int], actions: int) -> bool:
    """Say whether chance gives so little to as many of ``actions`` less often than `CHANCE`.

    By Chernoff's bound: n answers of which a share q goes to m of k actions, with p = m / k, have a probability of at
    most ``comb(k, m) * exp(-n * (q * log(q / p) + (1 - q) * log((1 - q) / (1 - p))))``. Of two actions that is 21
    answers that are all the same; of four, 11, and 53 without a certain one.
    """
    n, p = given.total(), len(left_out) / actions
    q = sum(given[action] for action in left_out) / n
    divergence = (q * math.log(q / p) if q else 0.0) + (1 - q) * math.log((1 - q) / (1 - p))
    return n * divergence >= math.log(math.comb(actions, len(left_out)) / CHANCE)


def _say(task: Task, given: Counter[int], used: set[int], missing: set[int]) -> str:
    only = [action for action in used if action != task.noop]
    if len(used) == 1:
        return f"{'always' if len(given) == 1 else 'almost always'} {task.action_name(*used)}"
    if len(only) == 1 and missing | used == set(range(len(task.actions))):
        exactly = set(given) == set(used)
        return f"{'only' if exactly else 'almost only'} {task.action_name(only[0])}, or {task.action_name(task.noop)}"
    never = "hardly ever" if any(given[action] for action in missing) else "never"
    return f"{never} {' or '.join(task.action_name(action) for action in sorted(missing))}"


def _gap(task: Task, flights: Sequence[Flight], agreement: float, rate: float, successes: int) -> str | None:
    """Say that agreeing with the teacher did not help, and why: the errors compound, or the answers are late.

    A policy that errs in a share e of the teacher's states may cost of the order of e * T**2 over T ticks, because an
    error leads to states that it has not learnt (Ross and Bagnell, 2010).
    """
    if agreement < AGREES_SHARE or rate >= FAILS_RATE:
        return None
    ages = [tick.observation_age_ticks for flight in flights for tick in flight.ticks]
    in_time = sum(age == 0 for age in ages) >= IN_TIME_SHARE * len(ages)
    if in_time and agreement == 1:
        return None  # the teacher itself would not do better
    measure = task.success.replace("_", " ")
    why = "its errors compound" if in_time else "its answers come too late"
    return (
        f"agrees with the teacher in {math.floor(100 * agreement)} % of the states it answers, "
        f"yet {measure} in {successes} of {len(flights)} episodes: {why}"
    )


def _label(task: Task, flights: Sequence[Flight]) -> list[list[Answered]]:
    """Return each episode's answers in the order of the states that they are for, with the teacher's.

    Raises:
        OntickError: the teacher failed.
    """
    env = task.make() if task.has_teacher else None

    def wanted(state: State) -> int | None:
        return None if env is None else int(task.teacher(env, state))

    try:
        return [
            [
                Answered(answer.action, wanted(_shown(flight, answer)))
                for answer in sorted(flight.answers(), key=lambda answer: answer.observation_tick)
            ]
            for flight in flights
        ]
    except Exception as error:
        raise OntickError(f"the teacher of task {task.name!r} failed: {blame(error)}") from error


def _shown(flight: Flight, answer: AnswerRecord) -> State:
    """Return the state that the controller answered: the one foreseen for it, or the one observed."""
    observed = flight.ticks[answer.observation_tick].observation
    return observed if answer.foreseen is None else np.array(answer.foreseen, dtype=observed.dtype)
