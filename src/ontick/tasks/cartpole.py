"""CartPole-v1 at its own 50 Hz: standard physics, true zero force as no-op, an anticipating teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, SupportsFloat

import gymnasium as gym
import numpy as np

from ontick.records import Episode, State
from ontick.tasks.base import Diagnostic, Ending, Environment, Feature, Task
from ontick.tasks.examples import shipped_examples

PERFECT_STEPS = 500
"""CartPole-v1's time limit."""

ZERO_FORCE = 2
"""The no-op: a third choice that Gymnasium's action space does not have."""

ANGLE_LIMIT_RAD = 0.2095
"""Where CartPole-v1 ends an episode: 12 degrees, rounded up to tell a fallen pole from float32 noise."""

KICK = (0.5, 0.5)
"""The hardest push: m/s more of the cart's speed, rad/s more of the pole's spin."""

_LEFT, _RIGHT = frozenset({0}), frozenset({1})


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

    box: ClassVar = ((-2.4, 2.4), (-2.0, 2.0), (-0.21, 0.21), (-2.0, 2.0))

    @property
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        """``perfect``: all 500 steps."""
        return {"perfect": lambda episode: episode.steps >= PERFECT_STEPS}

    def outcome(self, ending: Ending) -> str:
        """Return ``perfect``, ``fell`` (the pole) or ``ran off`` (the cart left the track)."""
        if ending.steps >= PERFECT_STEPS:
            return "perfect"
        return "fell" if abs(float(ending.final_observation[2])) >= ANGLE_LIMIT_RAD - 1e-3 else "ran off"

    def teacher(self, env: Environment, observation: State) -> int:
        """Push towards where the pole will lean a quarter of a second from now.

        ``angle + 0.25 s * spin``, plus a small centring term that lets the pole lean back towards the middle
        of the track. Of the gains tried, these stay perfect at the longest dead time (docs/log.md).
        """
        x, v, angle, spin = observation.tolist()
        return int(angle + 0.25 * spin + 0.02 * x + 0.05 * v > 0)

    def push(self, env: Environment, rng: np.random.Generator) -> None:
        """Kick the cart's speed and the pole's spin, each by up to `KICK` either way."""
        cart: Any = env.unwrapped
        x, v, angle, spin = cart.state
        kick_v, kick_spin = rng.uniform(-1, 1, 2) * KICK
        cart.state = np.array((x, v + kick_v, angle, spin + kick_spin))

    def make(self) -> Environment:
        """Return CartPole-v1 with the third choice added."""
        return ZeroForce(super().make())
