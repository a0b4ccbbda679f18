"""CartPole-v1 at its own 50 Hz: standard physics, true zero force as no-op, an anticipating teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, SupportsFloat

import gymnasium as gym

from ontick.records import Episode, State
from ontick.tasks.base import Ending, Environment, Feature, Task

PERFECT_STEPS = 500
"""CartPole-v1's time limit."""

ZERO_FORCE = 2
"""The no-op: a third choice that Gymnasium's action space does not have."""

ANGLE_LIMIT_RAD = 0.2095
"""Where CartPole-v1 ends an episode: 12 degrees, rounded up to tell a fallen pole from float32 noise."""


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

    def make(self) -> Environment:
        """Return CartPole-v1 with the third choice added."""
        return ZeroForce(super().make())
