"""What can be asked of the fitting of a forward model? Every part of it is an option of the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ontick.errors import OntickError


@dataclass(frozen=True)
class DynamicsSettings:
    """How a forward model is fitted."""

    episodes: int = 250
    """How many episodes are flown; every fifth is held out, to measure the errors on."""
    hidden: tuple[int, ...] = (128, 128)
    """The widths between a state and its change."""
    steps: int = 4000
    """How many steps learn one tick ahead."""
    unrolled: int = 1000
    """How many steps follow that learn several ticks ahead, on the model's own predictions."""
    ahead: int = 8
    """How many ticks those look ahead."""
    batch: int = 512
    """Examples of a step."""
    learning_rate: float = 3e-3
    """The largest of the first steps; it falls to 0 along a cosine. Of the unrolled ones a third of it."""
    seed: int = 0
    """Of new weights and of the order of the examples."""

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            OntickError: with the first one found.
        """
        for name, least in (("episodes", 5), ("steps", 1), ("batch", 1), ("ahead", 1), ("unrolled", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise OntickError(f"--dynamics.{name} {getattr(self, name)} cannot be; give {least} or more")
        if not self.hidden or not all(width > 0 for width in self.hidden):
            raise OntickError("--dynamics.hidden are widths; give numbers of 1 or more, such as 128 128")
        if not 0 < self.learning_rate < math.inf:
            raise OntickError(f"--dynamics.learning-rate {self.learning_rate} teaches nothing; give 3e-3 or so")
