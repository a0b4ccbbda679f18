"""What can be asked of the training of a small network? Every part of it is an option of the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ontick.errors import OntickError

FEW_FEATURES = 4
SMALL, LARGE = (16,), (128, 128)
"""The default widths for up to `FEW_FEATURES` values, and for more."""

AWARE = (64, 64)
"""The default widths of a network that is shown pending actions, too, for up to `FEW_FEATURES` values."""

STEPS, AWARE_STEPS = 1500, 4000
"""The default steps, and those of a network that is shown pending actions, too."""

NARROW = 32
"""A network whose layers are no wider is smooth by itself."""

GENTLE, STRONG = 0.01, 3.0
"""The default weight decays of narrow networks, and of wide ones (docs/log.md)."""


@dataclass(frozen=True)
class MlpSettings:
    """How a small network is trained."""

    hidden: tuple[int, ...] = ()
    """The widths between the state and the actions; by default 16 for up to four values (64 64 where the data was
    collected for a latency), else 128 128."""
    steps: int | None = None
    """How many steps, each of which learns from one batch; by default 1500 (4000 where the data was collected for a
    latency)."""
    batch: int = 256
    """Examples of a step."""
    learning_rate: float = 1e-3
    """The largest; it falls to 0 along a cosine."""
    weight_decay: float | None = None
    """How strongly AdamW pulls the weights to zero, which makes a policy smooth; by default 3 where a layer is wider
    than 32 (0.01 where the data was collected for a latency), else 0.01."""
    looks: int = 3
    """How often, at equal distances, the network is flown, so that the best is kept."""
    episodes: int = 50
    """How many episodes it flies each time."""
    seed: int = 0
    """Of new weights and of the order of the examples."""
    memory: bool = True
    """For a latency: whether it knows its own answers that are still on their way."""

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            OntickError: with the first one found.
        """
        for name in ("steps", "batch", "looks", "episodes"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise OntickError(f"--mlp.{name} {getattr(self, name)} teaches nothing; give 1 or more")
        if self.looks > (self.steps or STEPS):
            raise OntickError(f"--mlp.looks {self.looks} are more than the {self.steps or STEPS} steps; give fewer")
        if not all(width > 0 for width in self.hidden):
            raise OntickError("--mlp.hidden are widths; give numbers of 1 or more, such as 128 128")
        if not 0 < self.learning_rate < math.inf:
            raise OntickError(f"--mlp.learning-rate {self.learning_rate} teaches nothing; give 1e-3 or so")
        if self.weight_decay is not None and not 0 <= self.weight_decay < math.inf:
            raise OntickError(f"--mlp.weight-decay {self.weight_decay} cannot be; give 0 or more")
        if self.seed < 0:
            raise OntickError(f"--mlp.seed {self.seed} is no seed; give 0 or more")

    def resolved(self, features: int, *, aware: bool = False) -> MlpSettings:
        """Return them with a number in place of every default that depends on what the network is shown.

        ``aware``: it is shown pending actions, too.
        """
        few = features <= FEW_FEATURES
        hidden = self.hidden or (LARGE if not few else AWARE if aware else SMALL)
        return replace(self, hidden=hidden, steps=self.steps or (AWARE_STEPS if aware else STEPS))

    def decay(self, *, aware: bool = False) -> float:
        """Return the weight decay; the widths are known."""
        if self.weight_decay is not None:
            return self.weight_decay
        return GENTLE if aware or max(self.hidden) <= NARROW else STRONG

    def as_json(self) -> dict[str, Any]:
        """Return what a pilot's card says of them."""
        return asdict(self)


def settings_of(found: Mapping[str, Any]) -> MlpSettings:
    """Invert `MlpSettings.as_json`; what it does not know is passed over."""
    known: dict[str, Any] = {name: found[name] for name in MlpSettings.__dataclass_fields__ if name in found}
    known["hidden"] = tuple(known.get("hidden", ()))
    return MlpSettings(**known)
