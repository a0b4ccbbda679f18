"""CartPole-v1 at its own 50 Hz: standard physics, true zero force as no-op, an anticipating teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import cos, sin
from typing import Any, ClassVar, NamedTuple, SupportsFloat

import gymnasium as gym
import numpy as np

from ontick.records import Episode, Flight, State
from ontick.tasks.base import Diagnostic, Ending, Environment, Feature, Task
from ontick.tasks.examples import shipped_examples
from ontick.tasks.picture import Disc, Line, Paint, Picture, Polygon, Pose, Poses

PERFECT_STEPS = 500
"""CartPole-v1's time limit."""

ZERO_FORCE = 2
"""The no-op: a third choice that Gymnasium's action space does not have."""

ANGLE_LIMIT_RAD = 0.2095
"""Where CartPole-v1 ends an episode: 12 degrees, rounded up to tell a fallen pole from float32 noise."""

KICK = (0.5, 0.5)
"""The hardest push: m/s more of the cart's speed, rad/s more of the pole's spin."""

_LEFT, _RIGHT = frozenset({0}), frozenset({1})

TRACK_M = 2.4
"""Where CartPole-v1 ends an episode: how far from the middle the cart's may be."""

_CART_M, _CART_HIGH_M, _POLE_M, _POLE_WIDE_M = 0.4, 0.24, 1.0, 0.08
"""As Gymnasium draws them; the pole is as long as it is in the equations."""

_CART = (
    Polygon(
        ((-_CART_M / 2, 0.0), (_CART_M / 2, 0.0), (_CART_M / 2, _CART_HIGH_M), (-_CART_M / 2, _CART_HIGH_M)), Paint.BODY
    ),
    Disc((-0.12, 0.0), 0.06, Paint.INK),
    Disc((0.12, 0.0), 0.06, Paint.INK),
)
_POLE = (Line(((0.0, 0.0), (0.0, _POLE_M)), Paint.TRIM, _POLE_WIDE_M), Disc((0.0, 0.0), 0.05, Paint.INK))
_PUSHED_RIGHT = (Polygon(((-0.5, 0.04), (-0.24, 0.12), (-0.5, 0.2)), Paint.FIRE),)
_PUSHED_LEFT = (Polygon(((0.5, 0.04), (0.24, 0.12), (0.5, 0.2)), Paint.FIRE),)
_PICTURE = Picture(
    view=(-2.6, -0.35, 2.6, 1.55),
    still=(
        Line(((-TRACK_M, -0.06), (TRACK_M, -0.06)), Paint.FAINT, 0.03),
        Line(((-TRACK_M, -0.2), (-TRACK_M, 0.08)), Paint.MARK, 0.03),
        Line(((TRACK_M, -0.2), (TRACK_M, 0.08)), Paint.MARK, 0.03),
        Line(((0.0, -0.12), (0.0, -0.06)), Paint.FAINT, 0.02),
    ),
    bodies=(_PUSHED_LEFT, _PUSHED_RIGHT, _CART, _POLE),
)


class ZeroForce(gym.Wrapper[Any, Any, Any, Any]):
    """Adds the choice `ZERO_FORCE`: one step of the unchanged equations with the force's magnitude at zero."""

    def step(self, action: int) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step as Gymnasium does, or with no force."""
        if action != ZERO_FORCE:
            return self.env.step(action)
        cart: Any = self.env.unwrapped
        force_n, cart.force_mag = cart.force_mag, 0.0
        try:
            return self.env.step(0)
        finally:
            cart.force_mag = force_n


class _Physics(NamedTuple):
    """CartPoleEnv's constants and equations.

    They are those of Florian, "Correct equations for the dynamics of the cart-pole system" (2007), without friction.
    """

    gravity: float
    total_kg: float
    pole_kg: float
    half_pole_m: float
    pole_kg_m: float
    force_n: float
    tick_s: float
    explicit: bool
    """Euler's explicit method; else his semi-implicit one, in which positions follow the new speeds."""

    def step(self, x: float, v: float, angle: float, spin: float, force_n: float) -> tuple[float, float, float, float]:
        """Return the state a tick later."""
        s, c, tick_s = sin(angle), cos(angle), self.tick_s
        push = (force_n + self.pole_kg_m * spin * spin * s) / self.total_kg
        turn = (self.gravity * s - c * push) / (self.half_pole_m * (4 / 3 - self.pole_kg * c * c / self.total_kg))
        next_v = v + tick_s * (push - self.pole_kg_m * turn * c / self.total_kg)
        next_spin = spin + tick_s * turn
        if self.explicit:
            return x + tick_s * v, next_v, angle + tick_s * spin, next_spin
        return x + tick_s * next_v, next_v, angle + tick_s * next_spin, next_spin


class CartPole(Task):
    """Keep a pole upright on a cart by pushing the cart left or right, 10 N each."""

    name: ClassVar = "cartpole"
    env_id: ClassVar = "CartPole-v1"
    tick_s: ClassVar = 0.02  # CartPoleEnv.tau
    actions: ClassVar = ("left", "right")
    noop: ClassVar = ZERO_FORCE
    noop_name: ClassVar = "zero force"
    initial_action: ClassVar = 0
    features: ClassVar = (
        Feature("x", "m", 2, 2.4),
        Feature("v", "m/s", 2, 2.4),
        Feature("angle", "rad", 2, 0.24),
        Feature("spin", "rad/s", 2, 2.4),
    )
    instruction: ClassVar = (
        "A pole stands on a cart. angle is its tilt and spin how fast it tilts; both are positive to the right. "
        "Push the cart to the side to which the pole is falling."
    )
    success: ClassVar = "perfect"
    examples: ClassVar = shipped_examples("cartpole")
    diagnostics: ClassVar = (
        Diagnostic((0.0, 0.0, 0.1, 1.0), _RIGHT, "falling right, fast"),
        Diagnostic((0.0, 0.0, -0.1, -1.0), _LEFT, "falling left, fast"),
        Diagnostic((0.0, 0.0, 0.08, 0.1), _RIGHT, "falling right, slowly"),
        Diagnostic((0.0, 0.0, -0.08, -0.1), _LEFT, "falling left, slowly"),
        Diagnostic((0.0, 0.0, 0.15, 0.0), _RIGHT, "leaning far right, at rest"),
        Diagnostic((0.0, 0.0, -0.15, 0.0), _LEFT, "leaning far left, at rest"),
        Diagnostic((0.0, 0.0, 0.05, -1.2), _LEFT, "leaning right, swinging back fast"),
        Diagnostic((0.0, 0.0, -0.05, 1.2), _RIGHT, "leaning left, swinging back fast"),
        Diagnostic((0.0, 0.0, 0.0, 0.6), _RIGHT, "upright, turning right"),
        Diagnostic((0.0, 0.0, 0.0, -0.6), _LEFT, "upright, turning left"),
        Diagnostic((0.1, 0.2, -0.01, 0.5), _RIGHT, "nearly upright, turning right"),
        Diagnostic((-0.1, -0.2, 0.01, -0.5), _LEFT, "nearly upright, turning left"),
        Diagnostic((2.0, 0.3, -0.1, -0.6), _LEFT, "at the track's right end, falling left"),
        Diagnostic((-2.0, -0.3, 0.1, 0.6), _RIGHT, "at the track's left end, falling right"),
    )

    keys: ClassVar = {"ArrowLeft": 0, "ArrowRight": 1}

    box: ClassVar = ((-2.4, 2.4), (-2.0, 2.0), (-0.21, 0.21), (-2.0, 2.0))

    @property
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        """``perfect``: all 500 steps."""
        return {"perfect": lambda episode: episode.steps >= PERFECT_STEPS}

    def picture(self, scenery: Sequence[float]) -> Picture:
        """Return the cart on its track, between the ends at which an episode ends."""
        return _PICTURE

    def poses(self, observation: State, action: int | None) -> Poses:
        """Return where the cart and its pole are, and from which side it is pushed."""
        x, _, angle, _ = observation.tolist()
        cart = Pose(x, 0.0)
        pushes = [cart if action == side else None for side in (0, 1)]
        return (*pushes, cart, Pose(x, _CART_HIGH_M / 2, -angle))

    def outcome(self, ending: Ending) -> str:
        """Return ``perfect``, ``fell`` (the pole) or ``ran off`` (the cart left the track)."""
        if ending.steps >= PERFECT_STEPS:
            return "perfect"
        return "fell" if abs(float(ending.final_observation[2])) >= ANGLE_LIMIT_RAD - 1e-3 else "ran off"

    def failure(self, flight: Flight) -> str | None:
        """Return the outcome and the side: ``fell left``, ``fell right``, ``ran off left``, ``ran off right``."""
        kind = super().failure(flight)
        place = {"ran off": 0, "fell": 2}.get(kind or "")
        if place is None or not flight.episode.final_observation:
            return kind
        return f"{kind} {'right' if flight.episode.final_observation[place] > 0 else 'left'}"

    def teacher(self, env: Environment, observation: State) -> int:
        """Push towards where the pole will lean a quarter of a second from now.

        ``angle + 0.25 s * spin``, plus a small centring term that lets the pole lean back towards the middle
        of the track. Of the gains tried, these stay perfect at the longest dead time (docs/log.md).
        """
        x, v, angle, spin = observation.tolist()
        return int(angle + 0.25 * spin + 0.02 * x + 0.05 * v > 0)

    def predict(self, observation: State, actions: Sequence[int]) -> State:
        """Solve the environment's own equations, with the constants and the integrator that `make` gives it."""
        x, v, angle, spin = observation.tolist()
        physics = self._physics
        for action in actions:
            force_n = 0.0 if action == ZERO_FORCE else physics.force_n if action == 1 else -physics.force_n
            x, v, angle, spin = physics.step(x, v, angle, spin, force_n)
        return np.array((x, v, angle, spin), dtype=observation.dtype)

    @cached_property
    def _physics(self) -> _Physics:
        cart: Any = self.make().unwrapped
        return _Physics(
            gravity=cart.gravity,
            total_kg=cart.total_mass,
            pole_kg=cart.masspole,
            half_pole_m=cart.length,
            pole_kg_m=cart.polemass_length,
            force_n=cart.force_mag,
            tick_s=cart.tau,
            explicit=cart.kinematics_integrator == "euler",
        )

    def push(self, env: Environment, rng: np.random.Generator) -> None:
        """Kick the cart's speed and the pole's spin, each by up to `KICK` either way."""
        cart: Any = env.unwrapped
        x, v, angle, spin = cart.state
        kick_v, kick_spin = rng.uniform(-1, 1, 2) * KICK
        cart.state = np.array((x, v + kick_v, angle, spin + kick_spin))

    def make(self) -> Environment:
        """Return CartPole-v1 with the third choice added."""
        return ZeroForce(super().make())
