"""LunarLander-v3 at its own 50 Hz, with Gymnasium's heuristic as teacher."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
from gymnasium.envs.box2d import lunar_lander

from ontick.records import Episode, Flight, State
from ontick.tasks.base import Diagnostic, Ending, Environment, Feature, Task
from ontick.tasks.examples import shipped_examples
from ontick.tasks.lunar_lander_dynamics import roll_forward
from ontick.tasks.lunar_lander_picture import place, terrain
from ontick.tasks.picture import Picture, Poses

_gymnasium: Any = lunar_lander
"""Gymnasium leaves its heuristic untyped."""

TIME_LIMIT_STEPS = 1000
SOLVED_REWARD = 200.0

PUSH = 1.0
"""The hardest push, in m/s of change of the lander's speed (0.2 of what is observed as vx, 0.13 as vy)."""

TWIST = 0.5
"""And in rad/s of change of its spin."""

EDGE_X = 1.0
"""Where LunarLander-v3 ends an episode: the sides of the picture. There is no edge above."""

AT_REST_REWARD = 100.0
"""The last tick's reward when the lander has come to rest, and no other reward is just that."""

OVERTURNED_RAD = math.pi / 4
"""A lander that leans further does not stand on its legs again."""

TUMBLING = 0.4 * math.pi
"""Half a turn a second; the observation's spin is 20 / FPS of it in radians a second."""

TOUCHDOWN_TICKS = 25
"""Half a second: how long the end of a flight is looked at for the moment in which the ground is met."""

_X, _ANGLE, _SPIN, _RIGHT_LEG, _LEFT_LEG = 0, 4, 5, 6, 7

_NOTHING, _LEFT, _MAIN, _RIGHT = (frozenset({action}) for action in range(4))


def _landed(episode: Episode) -> bool:
    return episode.reward > 0


def _solved(episode: Episode) -> bool:
    return episode.reward >= SOLVED_REWARD


def _timed_out(episode: Episode) -> bool:
    return episode.steps >= TIME_LIMIT_STEPS


class LunarLander(Task):
    """Land softly between the flags with one main and two side engines."""

    name: ClassVar = "lunarlander"
    env_id: ClassVar = "LunarLander-v3"
    tick_s: ClassVar = 0.02  # 1 / lunar_lander.FPS
    actions: ClassVar = ("nothing", "left engine", "main engine", "right engine")
    noop: ClassVar = 0
    noop_name: ClassVar = "nothing"
    initial_action: ClassVar = 0
    features: ClassVar = (
        Feature("x", "", 2, 1.2),
        Feature("y", "", 2, 1.5),
        Feature("vx", "", 2, 1.8),
        Feature("vy", "", 2, 1.8),
        Feature("angle", "rad", 2, 1.2),
        Feature("spin", "", 2, 1.8),
        Feature("right leg", "", 0),
        Feature("left leg", "", 0),
    )
    instruction: ClassVar = (
        "You land a spacecraft at x = 0, y = 0, upright and slowly. angle is its tilt and spin how fast it turns; "
        "both are positive to the left. The main engine slows the fall, the left engine turns it to the left, "
        "the right engine to the right."
    )
    success: ClassVar = "landed"
    examples: ClassVar = shipped_examples("lunarlander")
    diagnostics: ClassVar = (
        Diagnostic((0.0, 0.5, 0.0, -0.8, 0.0, 0.0, 0.0, 0.0), _MAIN, "falling fast, upright"),
        Diagnostic((0.0, 0.2, 0.0, -0.6, 0.0, 0.0, 0.0, 0.0), _MAIN, "falling fast, near the ground"),
        Diagnostic((0.0, 1.0, 0.0, -1.5, 0.0, 0.0, 0.0, 0.0), _MAIN, "falling very fast, high up"),
        Diagnostic((0.0, 0.05, 0.0, -0.5, 0.0, 0.0, 1.0, 0.0), _MAIN, "touching down too fast"),
        Diagnostic((0.0, 1.0, 0.0, -0.3, 0.5, 0.0, 0.0, 0.0), _RIGHT, "tilted left, high up"),
        Diagnostic((0.0, 1.0, 0.0, -0.3, -0.5, 0.0, 0.0, 0.0), _LEFT, "tilted right, high up"),
        Diagnostic((0.0, 1.0, 0.0, -0.2, 0.0, 0.6, 0.0, 0.0), _RIGHT, "upright, turning left fast"),
        Diagnostic((0.0, 1.0, 0.0, -0.2, 0.0, -0.6, 0.0, 0.0), _LEFT, "upright, turning right fast"),
        Diagnostic((0.0, 0.8, 0.0, -0.3, 0.3, 0.3, 0.0, 0.0), _RIGHT, "tilted left and turning left"),
        Diagnostic((0.0, 0.8, 0.0, -0.3, -0.3, -0.3, 0.0, 0.0), _LEFT, "tilted right and turning right"),
        Diagnostic((0.2, 1.0, 0.6, -0.3, 0.0, 0.0, 0.0, 0.0), _LEFT, "drifting off to the right, upright"),
        Diagnostic((-0.2, 1.0, -0.6, -0.3, 0.0, 0.0, 0.0, 0.0), _RIGHT, "drifting off to the left, upright"),
        Diagnostic((0.0, 0.6, 0.0, -0.9, 0.4, 0.0, 0.0, 0.0), _MAIN | _RIGHT, "falling fast, tilted left"),
        Diagnostic((0.0, 0.6, 0.0, -0.9, -0.4, 0.0, 0.0, 0.0), _MAIN | _LEFT, "falling fast, tilted right"),
        Diagnostic((0.0, 0.3, 0.0, -0.1, 0.0, 0.0, 0.0, 0.0), _NOTHING, "sinking gently, upright"),
        Diagnostic((0.0, 1.4, 0.0, -0.3, 0.0, 0.0, 0.0, 0.0), _NOTHING, "falling slowly, high up"),
        Diagnostic((0.0, 1.2, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0), _NOTHING, "rising, upright"),
        Diagnostic((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0), _NOTHING, "standing on both legs"),
    )

    keys: ClassVar = {"ArrowLeft": 1, "ArrowUp": 2, "ArrowRight": 3}

    box: ClassVar = (
        (-1.0, 1.0),
        (0.0, 1.5),
        (-1.0, 1.0),
        (-1.5, 0.5),
        (-0.8, 0.8),
        (-1.0, 1.0),
        (0.0, 1.0),
        (0.0, 1.0),
    )

    @property
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        """``landed``: positive total reward; ``solved``: at least 200; ``timeouts``: the time limit was reached."""
        return {"landed": _landed, "solved": _solved, "timeouts": _timed_out}

    def outcome(self, ending: Ending) -> str:
        """Return ``timeout`` (hovered to the limit), ``solved``, ``landed`` or ``crash``."""
        if ending.steps >= TIME_LIMIT_STEPS:
            return "timeout"
        if ending.reward >= SOLVED_REWARD:
            return "solved"
        return "landed" if ending.reward > 0 else "crash"

    def failure(self, flight: Flight) -> str | None:
        """Return what went wrong.

        At the time limit ``hover`` (in the air) or ``never at rest`` (on the ground); ``drift out`` (over a side of the
        picture); ``costly landing`` (at rest, but with no reward left); otherwise the body hit the ground:
        ``tumble`` if it came down overturned or spinning, ``tip over`` if it came down upright and then fell over,
        and ``crash`` if it just came down too fast.
        """
        episode = flight.episode
        if super().failure(flight) is None:
            return None
        ticks = flight.ticks[-TOUCHDOWN_TICKS:]
        last_states = [*(tick.observation.tolist() for tick in ticks), list(episode.final_observation)]
        if len(last_states[-1]) != len(self.features):
            return episode.outcome
        if _timed_out(episode):
            return "never at rest" if any(map(_touches, last_states)) else "hover"
        if abs(last_states[-1][_X]) >= EDGE_X:
            return "drift out"
        if ticks and ticks[-1].reward == AT_REST_REWARD:
            return "costly landing"
        came_down = _before_touchdown(last_states)
        if _tilt_rad(came_down) > OVERTURNED_RAD or abs(came_down[_SPIN]) > TUMBLING:
            return "tumble"
        return "tip over" if _tilt_rad(last_states[-1]) > OVERTURNED_RAD else "crash"

    def teacher(self, env: Environment, observation: State) -> int:
        """Ask Gymnasium's own heuristic."""
        return int(_gymnasium.heuristic(env, observation))

    def predict(self, observation: State, actions: Sequence[int]) -> State:
        """Fly it on without dispersion, and let it meet level ground (`ontick.tasks.lunar_lander_dynamics`)."""
        return np.array(roll_forward(observation.tolist(), actions, self._gravity), dtype=observation.dtype)

    @cached_property
    def _gravity(self) -> float:
        lander: Any = self.make().unwrapped
        return float(lander.gravity)

    def scenery(self, env: Environment) -> Sequence[float]:
        """Return the heights of the terrain's corners, in metres, from left to right."""
        moon: Any = env.unwrapped
        segments = moon.sky_polys
        return (*(float(segment[0][1]) for segment in segments), float(segments[-1][1][1]))

    def picture(self, scenery: Sequence[float]) -> Picture:
        """Return the moon, its pad, and the lander with its flames; level ground where the terrain is not known."""
        return terrain(scenery)

    def poses(self, observation: State, action: int | None) -> Poses:
        """Return where the lander is, which of its legs touch the ground, and which engine burns."""
        return place(observation.tolist(), action)

    def push(self, env: Environment, rng: np.random.Generator) -> None:
        """Hit the lander with an impulse from any side, and twist it: up to `PUSH` and `TWIST` either way."""
        lander: Any = cast(Any, env.unwrapped).lander
        push_x, push_y, twist = (float(part) for part in rng.uniform(-1, 1, 3))
        impulse = (PUSH * lander.mass * push_x, PUSH * lander.mass * push_y)
        lander.ApplyLinearImpulse(impulse, lander.worldCenter, True)
        lander.ApplyAngularImpulse(TWIST * lander.inertia * twist, True)


def _touches(state: Sequence[float]) -> bool:
    return state[_RIGHT_LEG] > 0 or state[_LEFT_LEG] > 0


def _before_touchdown(states: Sequence[Sequence[float]]) -> Sequence[float]:
    """Return the state before a leg first touches the ground: what comes after is the ground's doing.

    Where no leg ever touches it, it is the last state before the body does.
    """
    touched = next((place for place, state in enumerate(states) if _touches(state)), len(states) - 1)
    return states[max(0, touched - 1)]


def _tilt_rad(state: Sequence[float]) -> float:
    """Return how far the lander leans from upright, 0 to pi; its angle goes on counting after a full turn."""
    return abs(math.remainder(state[_ANGLE], math.tau))
