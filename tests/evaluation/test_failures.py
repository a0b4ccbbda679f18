"""A failure's kind is what the world's own state shows, and is read from the record alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.scripted import Chance, Nobody, Teacher
from ontick.controllers.wrappers import Delayed
from ontick.evaluation.failures import SEEDS_TOLD, describe_failures, failures_in_words
from ontick.evaluation.summary import summarise
from ontick.late import LateRule, Source
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.records import INTERRUPTED, Episode, Flight, RunWriter, Tick, read_run
from ontick.report.tables import failures_line
from ontick.tasks import find_task
from worlds import CountingTask

CARTPOLE, LANDER = find_task("cartpole"), find_task("lunarlander")


class Always:
    """One action, whatever it sees."""

    def __init__(self, action: int) -> None:
        self.action = action

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def decide(self, observation: Observation) -> Decision:
        return Decision(self.action)


class Shaky(Teacher):
    """The teacher, some of whose actions are left to chance."""

    def reset(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def decide(self, observation: Observation) -> Decision:
        return Decision(int(self.rng.integers(4))) if self.rng.random() < 0.6 else super().decide(observation)


class Hoverer(Teacher):
    """Gymnasium's heuristic, but for the landing: it stays at a height."""

    def decide(self, observation: Observation) -> Decision:
        x, y, vx, vy, angle, spin, *_ = observation.state.tolist()
        turn = 0.5 * (np.clip(0.3 * x + 0.5 * vx, -0.4, 0.4) - angle) - spin
        climb = 0.5 * (0.6 - y) - 0.5 * vy
        if climb > max(0.05, abs(turn)):
            return Decision(2)
        return Decision(3 if turn < -0.05 else 1 if turn > 0.05 else 0)


class Witness(gym.Wrapper[Any, Any, Any, Any]):
    """Looks at Box2D's own bodies after every step, in metres, radians and seconds."""

    def reset(self, **asked: Any) -> Any:
        given = self.env.reset(**asked)
        self.seen = [self.look()]
        return given

    def step(self, action: int) -> Any:
        given = self.env.step(action)
        self.seen.append(self.look())
        return given

    def look(self) -> tuple[bool, float, float]:
        world: Any = self.env.unwrapped
        touching = any(leg.ground_contact for leg in world.legs)
        return touching, world.lander.angle, world.lander.angularVelocity

    def verdict(self) -> str:
        """Judge a failed flight by the bodies as they are when it is over."""
        world: Any = self.env.unwrapped
        half_width_m = 600 / 30 / 2
        half_a_second = self.seen[-26:]
        touching = [n for n, (touches, _, _) in enumerate(half_a_second) if touches]
        if len(self.seen) > 1000:
            return "never at rest" if touching else "hover"
        if abs(world.lander.position.x - half_width_m) >= half_width_m:
            return "drift out"
        if not world.lander.awake:
            return "costly landing"
        assert world.game_over  # Box2D told of a contact of the body with the ground
        met_the_ground = touching[0] if touching else len(half_a_second) - 1
        _, angle_rad, turning_rad_s = half_a_second[max(0, met_the_ground - 1)]
        if not upright(angle_rad) or abs(turning_rad_s) > math.pi:
            return "tumble"
        return "crash" if upright(world.lander.angle) else "tip over"


def upright(angle_rad: float) -> bool:
    return math.cos(angle_rad) >= math.sqrt(0.5)


LANDERS: dict[str, Controller] = {
    "none": Nobody(),
    "random": Chance(LANDER),
    **{LANDER.actions[action]: Always(action) for action in range(4)},
    "shaky": Shaky(LANDER),
    "late": Delayed(Teacher(LANDER), Constant(300)),
    "a little late": Delayed(Teacher(LANDER), Constant(100)),
    "hoverer": Hoverer(LANDER),
}


def fly_frozen(task: Any, controller: Controller, seed: int, env: Any = None) -> Flight:
    env = env or task.make()
    return fly(task, env, controller, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed)


def test_every_kind_of_the_lander_is_what_its_bodies_show() -> None:
    found: Counter[str | None] = Counter()
    env = Witness(LANDER.make())
    for name, controller in LANDERS.items():
        for seed in range(12):
            flight = fly_frozen(LANDER, controller, seed, env)
            kind = LANDER.failure(flight)
            assert kind == (None if flight.episode.reward > 0 else env.verdict()), (name, seed)
            found[kind] += 1
    assert {"crash", "tumble", "tip over", "drift out", "hover"} <= set(found)


def lander_flight(states: Sequence[Sequence[float]], last_reward: float = -100.0, steps: int | None = None) -> Flight:
    """Return a made-up failure; ``states`` are its last ones, the final one included."""
    *before, final = (np.array(state) for state in states)
    ticks = [Tick(n, 0, 0, state, 0, Source.FRESH, 0, last_reward) for n, state in enumerate(before)]
    episode = Episode(3, steps or len(ticks), -1.0, "crash", 0, 0, 0, 0, final_observation=tuple(final.tolist()))
    return Flight(episode, ticks)


def state(**values: float) -> list[float]:
    names = ("x", "y", "vx", "vy", "angle", "spin", "left", "right")
    return [values.get(name, 0.0) for name in names]


AIR, LYING = state(y=0.1), state(angle=1.5, left=1)

MADE_UP: dict[str, tuple[Flight, str]] = {
    "upright to the end": (lander_flight([AIR, AIR]), "crash"),
    "on its side after standing": (lander_flight([AIR, state(left=1), LYING]), "tip over"),
    "on its side in the air already": (lander_flight([state(angle=1.5), state(angle=1.5, left=1), LYING]), "tumble"),
    "upright, but spinning": (lander_flight([state(spin=1.5), state(left=1), state()]), "tumble"),
    "spun by the ground": (lander_flight([AIR, state(left=1, spin=5.0), state(spin=5.0)]), "crash"),
    "a full turn is upright": (lander_flight([state(angle=6.28), state(angle=6.28)]), "crash"),
    "over the left side": (lander_flight([state(x=-0.99), state(x=-1.01)]), "drift out"),
    "over the right side, lying": (lander_flight([state(x=0.99), state(x=1.01, angle=2)]), "drift out"),
    "at rest": (lander_flight([state(left=1, right=1)] * 2, last_reward=100.0), "costly landing"),
    "in the air when the time is over": (lander_flight([AIR, AIR], -0.1, 1000), "hover"),
    "on the ground when the time is over": (lander_flight([AIR, state(right=1)], -0.1, 1000), "never at rest"),
    "a record without ticks, upright": (lander_flight([AIR]), "crash"),
    "a record without ticks, lying": (lander_flight([LYING]), "tumble"),
    "a record without a final state": (lander_flight([[]]), "crash"),
}


@pytest.mark.parametrize("case", MADE_UP)
def test_a_made_up_ending_is_named(case: str) -> None:
    flight, kind = MADE_UP[case]
    assert LANDER.failure(flight) == kind


@pytest.mark.parametrize("controller", [Nobody(), Chance(CARTPOLE), Always(0), Always(1)])
def test_a_pole_falls_to_the_side_that_it_leans_to(controller: Controller) -> None:
    env = CARTPOLE.make()
    cart: Any = env.unwrapped
    for seed in range(10):
        flight = fly_frozen(CARTPOLE, controller, seed, env)
        angle_rad = cart.state[2]
        assert abs(angle_rad) > 12 * math.pi / 180
        assert CARTPOLE.failure(flight) == f"fell {'right' if angle_rad > 0 else 'left'}"


class Balances(Teacher):
    """Keeps the pole up, and cares nothing for where the cart goes but that it goes ``to`` one side."""

    to = 1

    def decide(self, observation: Observation) -> Decision:
        _, _, angle, spin = observation.state.tolist()
        return Decision(int(angle - 0.05 * self.to + 0.3 * spin > 0))


class BalancesLeft(Balances):
    to = -1


@pytest.mark.parametrize(("controller", "side"), [(Balances(CARTPOLE), "right"), (BalancesLeft(CARTPOLE), "left")])
def test_a_cart_runs_off_at_the_end_where_it_is(controller: Controller, side: str) -> None:
    env = CARTPOLE.make()
    cart: Any = env.unwrapped
    flight = fly_frozen(CARTPOLE, controller, 0, env)
    assert (cart.state[0] > 2.4) == (side == "right")
    assert CARTPOLE.failure(flight) == f"ran off {side}"


@pytest.mark.parametrize("task", [CARTPOLE, LANDER])
def test_a_success_is_no_failure(task: Any) -> None:
    flights = [fly_frozen(task, Teacher(task), seed) for seed in range(3)]
    assert [task.failure(flight) for flight in flights] == [None] * 3
    summary = summarise(task, flights)
    assert summary["failures_left"] == {}
    assert summary["watch_first"] is None
    assert failures_in_words(summary) == ""
    assert failures_line(summary) == []


def test_a_task_of_ones_own_has_its_outcomes_as_kinds() -> None:
    class Strict(CountingTask):
        @property
        def measures(self) -> Any:
            def never(episode: Episode) -> bool:
                return False

            return {"counted": never}

    flight = Flight(Episode(4, 3, 3.0, "over", 0, 0, 0, 0), ())
    assert Strict().failure(flight) == "over"


def episodes(kinds: Sequence[str]) -> Iterator[Flight]:
    for seed, kind in enumerate(kinds):
        final = (0.0, 0.0, -0.3 if kind == "fell left" else 0.3, 0.0)
        yield Flight(Episode(seed, 9, 9.0 + seed, kind.split(" left")[0], 0, 0, 0, 0, final_observation=final), ())


@given(st.lists(st.sampled_from(["fell left", "fell", "perfect", INTERRUPTED]), max_size=30))
def test_every_failed_seed_is_told_once_and_one_of_the_commonest_is_watched(kinds: list[str]) -> None:
    flights = [
        Flight(replace(flight.episode, steps=500), ()) if flight.episode.outcome == "perfect" else flight
        for flight in episodes(kinds)
    ]
    found = describe_failures(CARTPOLE, flights)
    left = found["failures_left"]
    named = {"fell left": "fell left", "fell": "fell right"}
    assert {seed: kind for kind, seeds in left.items() for seed in seeds} == {
        seed: named[kind] for seed, kind in enumerate(kinds) if kind in named
    }
    assert [len(seeds) for seeds in left.values()] == sorted(map(len, left.values()), reverse=True)
    assert (found["watch_first"] is None) == (left == {})
    if left:
        assert found["watch_first"] in next(iter(left.values()))


def test_words_tell_a_few_seeds_and_how_many_more() -> None:
    few = {"failures_left": {"crash": [4, 9, 17], "hover": [2]}, "watch_first": 9}
    assert failures_in_words(few) == "crash 3 (seeds 4, 9, 17), hover 1 (seed 2)"
    assert failures_line(few) == [
        "failures left: crash 3 (seeds 4, 9, 17), hover 1 (seed 2); look first at seed 9: --seed 9 --episodes 1"
    ]
    many = {"failures_left": {"crash": list(range(SEEDS_TOLD + 5))}, "watch_first": 0}
    assert failures_in_words(many).endswith("5, and 5 more)".replace(", and", " and"))


def test_a_record_read_back_tells_the_same(tmp_path: Path) -> None:
    flights = [fly_frozen(LANDER, LANDERS["shaky"], seed) for seed in range(8)]
    writer = RunWriter(tmp_path / "run", {})
    writer.append(*flights)
    again = list(read_run(tmp_path / "run").flights())
    assert describe_failures(LANDER, again) == describe_failures(LANDER, flights)
