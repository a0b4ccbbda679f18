"""Laws of prediction: what is foreseen is what comes, as far as the forward model is right and the future known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontick.clock import Nanoseconds, ns_from_ms
from ontick.contracts import ControllerContract
from ontick.controllers.base import REMEMBERED_LATENCIES, Controller, Decision, Observation
from ontick.controllers.chunks import RolledForward
from ontick.controllers.landing import LandingEstimate
from ontick.controllers.prediction import Between, Predict, Predicting
from ontick.controllers.scripted import Teacher
from ontick.controllers.wrappers import Delayed
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.late import LateRule
from ontick.latency import Constant, LatencyModel, Lognormal, Replay
from ontick.loop import VirtualTime, WallTime, fly
from ontick.records import Flight
from ontick.tasks import find_task
from ontick.tasks.base import Task
from worlds import schedule

TASKS = {name: find_task(name) for name in ("cartpole", "lunarlander")}
ENVS = {name: task.make() for name, task in TASKS.items()}
TICK = 20_000_000
MODES = [Predict.ESTIMATE, Predict.TARGET]


def foreseeing(
    task: Task,
    late: LateRule = LateRule.NOOP,
    mode: Predict = Predict.TARGET,
    prior: Sequence[Nanoseconds] = (0,),
    chunk: int = 1,
    guess: bool = True,
) -> Predicting:
    def planned() -> Controller:
        return RolledForward(Teacher(task), task.predict, chunk, len(task.actions)) if chunk > 1 else Teacher(task)

    between = Between(late, task.initial_action, task.noop, planned() if guess else None)
    return Predicting(planned(), task.predict, mode, TICK, prior, between, 500)


def flown(
    name: str, controller: Controller, latency: LatencyModel, late: LateRule, in_flight: int, seed: int
) -> Flight:
    task = TASKS[name]
    return fly(task, ENVS[name], controller, VirtualTime(latency), late=late, seed=seed, in_flight=in_flight)


def misses(flight: Flight) -> list[float]:
    """By how much each state foreseen missed the one that came."""
    return [
        float(np.abs(flight.ticks[answer.foreseen_tick].observation - answer.foreseen).max())
        for answer in flight.answers()
        if answer.foreseen is not None and answer.foreseen_tick is not None and answer.foreseen_tick < len(flight.ticks)
    ]


@pytest.mark.parametrize("name", TASKS)
@given(
    st.lists(st.integers(0, TICK), min_size=1001, max_size=1001),
    st.integers(0, 999),
    st.sampled_from(LateRule),
    st.sampled_from(MODES),
    st.integers(1, 4),
    st.sampled_from([1, 5]),
)
@settings(max_examples=12)
def test_within_a_tick_prediction_changes_nothing(
    name: str, ns: list[int], seed: int, late: LateRule, mode: Predict, in_flight: int, chunk: int
) -> None:
    task = TASKS[name]
    latency = Replay(dict(enumerate(ns)))
    plain = flown(name, Teacher(task), Constant(0), late, 1, seed)
    foreseen = flown(name, foreseeing(task, late, mode, ns, chunk), latency, late, in_flight, seed)
    assert [tick.action for tick in foreseen.ticks] == [tick.action for tick in plain.ticks]
    assert foreseen.episode.reward == plain.episode.reward


@given(
    st.integers(0, 320),
    st.sampled_from([(1, 1), (1, 24), (16, 1), (3, 24), (16, 24)]),
    st.sampled_from(MODES),
    st.sampled_from(LateRule),
    st.integers(0, 999),
)
@settings(max_examples=60)
def test_at_a_constant_latency_what_is_foreseen_is_what_comes(
    ms: int, asked: tuple[int, int], mode: Predict, late: LateRule, seed: int
) -> None:
    in_flight, chunk = asked
    controller = foreseeing(TASKS["cartpole"], late, mode, [ns_from_ms(ms)], chunk)
    flight = flown("cartpole", controller, Constant(ms), late, in_flight, seed)
    assert max(misses(flight), default=0) < 1e-4


@given(st.integers(40, 320), st.integers(0, 999), st.sampled_from([1, 24]))
@settings(max_examples=20)
def test_at_a_constant_latency_both_modes_fly_the_same(ms: int, seed: int, chunk: int) -> None:
    flights = [
        flown(
            "cartpole",
            foreseeing(TASKS["cartpole"], LateRule.NOOP, mode, [ns_from_ms(ms)], chunk),
            Constant(ms),
            LateRule.NOOP,
            16,
            seed,
        )
        for mode in MODES
    ]
    assert schedule(flights[0]) == schedule(flights[1])


@given(st.integers(0, 999), st.sampled_from([1, 4, 32]), st.sampled_from([1, 24]), st.sampled_from(LateRule))
@settings(max_examples=20)
def test_an_answer_never_acts_before_the_tick_it_is_aimed_at(
    seed: int, in_flight: int, chunk: int, late: LateRule
) -> None:
    controller = foreseeing(TASKS["cartpole"], late, Predict.TARGET, [ns_from_ms(ms) for ms in (90, 150, 230)], chunk)
    flight = flown("cartpole", controller, Lognormal(150, 0.25), late, in_flight, seed)
    aimed = {answer.observation_tick: answer.at_tick for answer in flight.answers()}
    for tick in flight.ticks:
        if tick.source in ("fresh", "planned"):
            assert tick.observation_age_ticks is not None
            assert tick.tick >= (aimed[tick.tick - tick.observation_age_ticks] or 0)


def test_a_jittery_line_is_flown_by_aiming_late_and_planning_ahead() -> None:
    setup = Setup(
        "cartpole",
        "teacher",
        episodes=5,
        clock=ClockName.VIRTUAL,
        late=LateRule.NOOP,
        latency="lognormal:150,0.25",
    )
    plain, foreseen = (
        sum(prepared.fly(prepared.dressed(), seed).episode.outcome == "perfect" for seed in setup.seeds)
        for prepared in map(prepare, (setup, _with(setup, predict=Predict.TARGET, chunk=24)))
    )
    assert (plain, foreseen) == (0, 5)


def test_a_controller_is_told_for_which_tick_the_state_is_that_it_is_shown() -> None:
    seen: list[Observation] = []

    class Watching(Teacher):
        def decide(self, observation: Observation) -> Decision:
            seen.append(observation)
            return super().decide(observation)

    task = TASKS["cartpole"]
    between = Between(LateRule.NOOP, task.initial_action, task.noop, Teacher(task))
    controller = Predicting(Watching(task), task.predict, Predict.TARGET, TICK, [ns_from_ms(100)], between, 500)
    flight = flown("cartpole", controller, Constant(100), LateRule.NOOP, 8, 3)
    assert [observation.tick for observation in seen[:20]] == list(range(4, 24))
    for observation in seen:
        if observation.tick < len(flight.ticks):
            assert observation.state == pytest.approx(flight.ticks[observation.tick].observation, abs=1e-4)


def test_a_real_flight_with_prediction_comes_out_the_same_in_simulation() -> None:
    task = TASKS["cartpole"]
    for in_flight, chunk, mode in ((1, 1, Predict.ESTIMATE), (2, 20, Predict.TARGET)):
        prior = [ns_from_ms(ms) for ms in (60, 80, 110)]
        inner = foreseeing(task, LateRule.NOOP, mode, prior, chunk)
        real = fly(
            task,
            ENVS["cartpole"],
            Delayed(inner, Lognormal(80, 0.3)),
            WallTime(),
            late=LateRule.NOOP,
            seed=2,
            in_flight=in_flight,
        )
        again = flown("cartpole", inner, Replay.of(real), LateRule.NOOP, in_flight, 2)
        assert schedule(real) == schedule(again)
        assert [answer.foreseen for answer in real.answers()] == [answer.foreseen for answer in again.answers()]


latencies = st.lists(st.integers(0, 10**9), max_size=REMEMBERED_LATENCIES)


@given(latencies, st.lists(st.integers(0, 10**9), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_the_estimate_lies_among_what_is_known_and_forgets_what_was_known_before(
    so_far: list[int], prior: list[int], share: float
) -> None:
    estimate = LandingEstimate(prior, share, TICK).latency(so_far)
    assert estimate in {*so_far, *prior}
    if len(so_far) == REMEMBERED_LATENCIES:
        assert sum(latency <= estimate for latency in so_far) >= share * len(so_far)
        assert sum(latency < estimate for latency in so_far) < share * len(so_far)


@given(st.integers(-TICK, 10**10), st.integers(0, 10**10))
def test_an_answer_is_collected_by_the_first_tick_after_it_has_come(started: int, latency: int) -> None:
    tick = LandingEstimate([], 0.5, TICK).tick(started, latency)
    assert (tick - 1) * TICK < started + latency <= tick * TICK


def test_nothing_known_means_no_latency() -> None:
    assert LandingEstimate([], 0.95, TICK).latency(()) == 0


class TestPredicting(ControllerContract):
    def make_controller(self, task: Task) -> Controller:
        return foreseeing(task, prior=[ns_from_ms(100)])


def _with(setup: Setup, *, predict: Predict, chunk: int = 1, guess: str | None = None) -> Setup:
    return replace(setup, predict=predict, guess=guess, asking=replace(setup.asking, chunk=chunk))


VIRTUAL = Setup("lunarlander", "teacher", episodes=2, clock=ClockName.VIRTUAL)


def test_the_summary_says_how_far_off_the_foreseen_states_were(tmp_path: Path) -> None:
    setup = _with(replace(VIRTUAL, latency="160", in_flight=16), predict=Predict.TARGET)
    evaluation = evaluate(prepare(setup), tmp_path / "run")
    prediction = evaluation.summary["prediction"]
    assert prediction["ahead_ticks"] == {"p50": 7, "p95": 7, "max": 7}
    assert prediction["error"]["y"]["p50"] < prediction["unpredicted"]["y"]["p50"] / 4
    assert evaluate(prepare(VIRTUAL), tmp_path / "frozen").summary["prediction"] is None


def test_a_latency_beyond_the_episode_is_refused() -> None:
    for latency in ("20000", "lognormal:15000,0.3"):
        setup = _with(replace(VIRTUAL, latency=latency), predict=Predict.ESTIMATE)
        with pytest.raises(OntickError, match="ends after 20000 ms; give a shorter latency"):
            prepare(setup).dressed()


def test_no_one_needs_to_guess_where_one_request_is_open_at_a_time() -> None:
    setup = Setup("cartpole", "teacher", episodes=1, clock=ClockName.VIRTUAL, late=LateRule.NOOP, latency="200")
    plain, alone = (
        prepared.fly(prepared.dressed(), 0)
        for prepared in (
            prepare(_with(setup, predict=Predict.TARGET, chunk=24, guess=guess)) for guess in ("teacher", "none")
        )
    )
    assert schedule(plain) == schedule(alone)
    assert plain.episode.outcome == "perfect"
