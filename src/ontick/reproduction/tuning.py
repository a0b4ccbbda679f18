"""With which settings does a given base model learn? Those of the package's own model, and what others need."""

from __future__ import annotations

from dataclasses import dataclass

from ontick.models.catalog import EMBEDDED


@dataclass(frozen=True)
class Tuning:
    """What is different from model to model."""

    lora_rate: float
    """The largest learning rate of an adapter that learns for some hundred steps."""
    long_rate: float
    """The same, for some thousand steps."""
    full_rate: float
    """The largest learning rate of all weights."""
    rank: int = 16
    batch: int = 32
    memory_mb: int = 3000
    """Roughly what training an adapter takes."""
    full_memory_mb: int = 5000
    """Roughly what training all weights takes."""

    def memory_of(self, method: str) -> int:
        """Roughly what training takes in MB: ``lora`` or ``full``."""
        return self.memory_mb if method == "lora" else self.full_memory_mb

    @property
    def lora(self) -> str:
        """The options of an adapter's training."""
        return f"{self._adapter} {self.rate(self.lora_rate)}"

    @property
    def long_lora(self) -> str:
        """The options of an adapter's training that takes thousands of steps."""
        return f"{self._adapter} {self.rate(self.long_rate)}"

    @property
    def full(self) -> str:
        """The options of a whole model's training."""
        return self.rate(self.full_rate)

    @property
    def _adapter(self) -> str:
        return f"--lora.rank {self.rank} --lora.alpha {2 * self.rank}"

    def rate(self, learning_rate: float) -> str:
        """The options of the optimiser, with a learning rate."""
        return f"--optimiser.learning-rate {learning_rate:g} --optimiser.batch {self.batch}"


SMOLLM2 = Tuning(lora_rate=5e-4, long_rate=1e-3, full_rate=1e-4)
BILLION = Tuning(lora_rate=2e-4, long_rate=2e-4, full_rate=2e-5, batch=64, memory_mb=12_000, full_memory_mb=24_000)
"""For models of about 1B parameters, such as Gemma 3 1B: meant for a GPU. Not measured yet."""


def tuning_for(model: str) -> Tuning:
    """Return the settings for a model as the command line names it."""
    return SMOLLM2 if model in (EMBEDDED, f"hf:{EMBEDDED}") or "135m" in model.lower() else BILLION
