"""What can be asked of the fine-tuning of a language model? Every part of it is an option of the command line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from ontick.errors import OntickError
from ontick.evaluation.questions import ALL
from ontick.learning.balance import Balance
from ontick.learning.seeds import SELECTION_SEED
from ontick.models.catalog import EMBEDDED
from ontick.prompts import PromptStyle
from ontick.records import Json

SHIPPED = "shipped"
"""The general conversations that come with this program."""


class Method(StrEnum):
    """What is learnt of a language model."""

    LORA = "lora"
    """A low-rank adapter beside its weights, which stay as they are."""
    FULL = "full"
    """All of its weights."""


class Schedule(StrEnum):
    """How the learning rate falls after the warm-up."""

    LINEAR = "linear"
    COSINE = "cosine"
    CONSTANT = "constant_with_warmup"


@dataclass(frozen=True)
class LoraOptions:
    """A low-rank adapter (Hu et al. 2021, arXiv:2106.09685)."""

    rank: int = 16
    alpha: int = 32
    """The adapter counts alpha / rank times."""
    dropout: float = 0.0
    """Of what goes into the adapter, while it learns."""
    targets: tuple[str, ...] = ("all-linear",)
    """Which layers get one: all-linear, or names such as q_proj v_proj."""


@dataclass(frozen=True)
class OptimiserOptions:
    """AdamW, and what it is fed."""

    steps: int = 400
    """How many steps; each learns from one batch."""
    batch: int = 32
    """Examples of a step, in all processes together."""
    accumulate: int = 1
    """In how many parts a batch is read, to save memory."""
    learning_rate: float | None = None
    """The largest; by default 5e-4 for an adapter and 5e-5 for all weights."""
    schedule: Schedule = Schedule.LINEAR
    warmup: float = 0.05
    """The share of the steps in which the learning rate rises."""
    weight_decay: float = 0.0
    clip: float = 1.0
    """The longest gradient; 0: any."""


@dataclass(frozen=True)
class SelectionOptions:
    """Flights under the virtual clock, time frozen, that choose the checkpoint to keep."""

    every: int = 100
    """Steps between evaluations, each of which leaves a checkpoint; 0: no flights, the last step is kept."""
    episodes: int = 10
    first_seed: int = SELECTION_SEED
    enough: int = 2
    """Stop when so many evaluations in a row were perfect; 0: never."""
    tradeoff: float = 0.0
    """What it counts to have kept the base's knowledge, when a checkpoint is chosen, from 0 (flying alone counts) to
    1."""

    @property
    def seeds(self) -> range:
        """The seeds flown."""
        return range(self.first_seed, self.first_seed + self.episodes) if self.every else range(0)


@dataclass(frozen=True)
class DistilOptions:
    """Learning from how sure a small network is of each action, in place of the data's labels."""

    teacher: str | None = None
    """mlp:PATH or pilot:PATH, a small network of the same task. It is shown each state as the prompt tells it."""
    temperature: float = 0.2
    """What its scores are divided by: the smaller, the surer it seems."""


@dataclass(frozen=True)
class KeepOptions:
    """Keeping what the base model can do besides: in every step it rehearses general conversations."""

    kl: float = 0.0
    """How dear it is to say anything less like the base does: what a nat of divergence from it counts; 0: nothing."""
    replay: float = 0.0
    """What a nat of surprise at the conversations' answers counts; 0: nothing."""
    conversations: str = SHIPPED
    """shipped, or a file of chats as JSON lines. Where an answer is missing, the base's own is taken."""
    batch: int = 1
    """Conversations of a step, in all processes together."""
    distinct: int = 400
    """So many different conversations are rehearsed at most; after them the same come round again."""
    answer_tokens: int = 64
    """The longest answer that is rehearsed."""
    aim: float = 0.0
    """lora: the adapter reads only where the flying prompts are so many times as strong as general talk; 0: anywhere.
    """
    anchor: float = 0.0
    """lora: what a nat of divergence from the base counts that is foreseen from the adapter's weights, with no
    conversation read for it; 0: nothing."""
    heard: int = 400
    """Conversations by which an aim or anchor finds out what talk gives each layer: fewer are read sooner."""
    questions: str = ALL
    """By which it is measured what is kept: all, few, a file, or all+FILE."""
    bound: float = 0.95
    """Warn when less of the base's right answers is still right, or its perplexity has risen by more than that share
    allows."""

    @property
    def on(self) -> bool:
        """Whether anything is kept."""
        return self.rehearses or self.knows_layers

    @property
    def knows_layers(self) -> bool:
        """Whether it is found out beforehand what conversations do in each layer."""
        return self.aim > 0 or self.anchor > 0

    @property
    def rehearses(self) -> bool:
        """Whether conversations are read in every step."""
        return self.kl > 0 or self.replay > 0


@dataclass(frozen=True)
class KeepChanges:
    """What a pilot rehearses from now on, where that is not what it did when it was trained."""

    kl: float | None = None
    """What a nat of divergence from the base counts; 0: nothing."""
    replay: float | None = None
    """What a nat of surprise at the conversations' answers counts; 0: nothing."""
    anchor: float | None = None
    """What a nat of divergence counts that is foreseen from the adapter's weights; 0: nothing."""
    conversations: str | None = None
    """shipped, or a file of chats as JSON lines."""
    batch: int | None = None
    """Conversations of a step."""

    def of(self, keep: KeepOptions) -> KeepOptions:
        """Return ``keep`` with what is given here."""
        return replace(keep, **{name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True)
class SftSettings:
    """How a language model is fine-tuned."""

    method: Method = Method.LORA
    base: str = EMBEDDED
    """The model to begin with: smollm2, gguf:PATH or hf:PATH_OR_HUB_ID."""
    prompt: PromptStyle = field(default_factory=PromptStyle)
    lora: LoraOptions = field(default_factory=LoraOptions)
    optimiser: OptimiserOptions = field(default_factory=OptimiserOptions)
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    distil: DistilOptions = field(default_factory=DistilOptions)
    keep: KeepOptions = field(default_factory=KeepOptions)
    seed: int = 0
    """Of the order of the examples, of new weights and of dropout."""
    dtype: str | None = None
    """What is computed in: float32, bfloat16 or float16; by default bfloat16 where it is faster."""
    device: str | None = None
    threads: int | None = None
    """Of the processor, for each process; by default as many as there are cores."""
    unsloth: bool = False

    @property
    def learning_rate(self) -> float:
        """The largest learning rate."""
        asked = self.optimiser.learning_rate
        return asked if asked is not None else {Method.LORA: 5e-4, Method.FULL: 5e-5}[self.method]

    @property
    def remembers(self) -> bool:
        """Whether it is measured what is left of the base's knowledge."""
        return self.keep.on or self.selection.tradeoff > 0

    @property
    def conversations_drawn(self) -> int:
        """How many conversations are rehearsed in all its steps."""
        return self.optimiser.steps * self.keep.batch if self.keep.rehearses else 0

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            OntickError: with the first one found.
        """
        optimiser, lora, selection, keep = self.optimiser, self.lora, self.selection, self.keep
        positive = {
            "--optimiser.steps": optimiser.steps,
            "--optimiser.batch": optimiser.batch,
            "--optimiser.accumulate": optimiser.accumulate,
            "--lora.rank": lora.rank,
            "--lora.alpha": lora.alpha,
            "--selection.episodes": selection.episodes,
            "--keep.batch": keep.batch,
            "--keep.distinct": keep.distinct,
            "--keep.heard": keep.heard,
            "--keep.answer-tokens": keep.answer_tokens,
        }
        for name, value in positive.items():
            if value < 1:
                raise OntickError(f"{name} {value} teaches nothing; give 1 or more")
        for name, value in (("--selection.every", selection.every), ("--selection.enough", selection.enough)):
            if value < 0:
                raise OntickError(f"{name} {value} cannot be; give 0 or more")
        if selection.first_seed < 0:
            raise OntickError(f"--selection.first-seed {selection.first_seed} is no seed; give 0 or more")
        if not 0 < self.learning_rate < math.inf:
            raise OntickError(f"--optimiser.learning-rate {self.learning_rate} teaches nothing; give 5e-4 or so")
        if not 0 < self.distil.temperature < math.inf:
            raise OntickError(
                f"--distil.temperature {self.distil.temperature} cannot be; give more than 0, such as 0.2"
            )
        if not all(0 <= value < math.inf for value in (keep.kl, keep.replay, keep.aim, keep.anchor)):
            raise OntickError(
                "--keep.kl, .replay, .aim and .anchor cannot be negative; give 0 (off) or more, such as 1"
            )
        if keep.knows_layers and self.method is not Method.LORA:
            raise OntickError("--keep.aim and .anchor are about an adapter; leave them out, or train with: lora")
        if not 0 <= keep.bound <= 1 or not 0 <= selection.tradeoff <= 1:
            raise OntickError("--keep.bound and --selection.tradeoff are shares; give 0 to 1")
        if selection.tradeoff and not selection.every:
            raise OntickError(
                "--selection.tradeoff chooses among checkpoints; add --selection.every 100, or leave it out"
            )
        if keep.conversations != SHIPPED and not keep.on:
            raise OntickError("--keep.conversations are not used; add --keep.kl 1, .replay 1, .aim 5 or .anchor 5")
        if not 0 <= optimiser.warmup < 1 or not 0 <= lora.dropout < 1:
            raise OntickError("--optimiser.warmup and --lora.dropout are shares; give 0 or more and less than 1")
        if not 0 <= optimiser.weight_decay < math.inf or not 0 <= optimiser.clip < math.inf:
            raise OntickError("--optimiser.weight-decay and --optimiser.clip cannot be negative; give 0 or more")
        if optimiser.batch % optimiser.accumulate:
            raise OntickError(
                f"a batch of {optimiser.batch} has no {optimiser.accumulate} equal parts; "
                "choose --optimiser.accumulate so that it divides --optimiser.batch"
            )
        if not lora.targets:
            raise OntickError("--lora.targets names no layer; give all-linear")
        if self.prompt.calibrate:
            raise OntickError("--prompt.calibrate is for a model that is not trained: training evens it; leave it out")

    def as_json(self) -> Json:
        """Return what decides the training: what a pilot's card says of it."""
        settings: Json = asdict(self) | {"learning_rate": self.learning_rate}
        del settings["threads"]
        if self.method is not Method.LORA:
            del settings["lora"]
        if self.distil.teacher is None:
            del settings["distil"]
        if not self.keep.on:
            del settings["keep"]
        if not self.selection.tradeoff:
            del settings["selection"]["tradeoff"]
        return json.loads(json.dumps(settings))


def settings_of(found: Json) -> SftSettings:
    """Return the settings that `SftSettings.as_json` wrote, from a pilot's card.

    Raises:
        OntickError: they are those of something else.
    """
    try:
        lora = dict(found.get("lora") or {})
        if "targets" in lora:
            lora["targets"] = tuple(lora["targets"])
        optimiser = dict(found["optimiser"])
        optimiser["schedule"] = Schedule(optimiser["schedule"])
        return SftSettings(
            method=Method(found["method"]),
            base=found["base"],
            prompt=PromptStyle.from_json(found["prompt"]),
            lora=LoraOptions(**lora),
            optimiser=OptimiserOptions(**optimiser),
            selection=SelectionOptions(**found["selection"]),
            distil=DistilOptions(**found.get("distil", {})),
            keep=KeepOptions(**found.get("keep", {})),
            seed=found["seed"],
            dtype=found["dtype"],
            device=found["device"],
            unsloth=found["unsloth"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(f"these are no settings of a fine-tuning ({error}); train with: lora or full") from error


@dataclass(frozen=True)
class SftSetup:
    """What ``ontick train TASK lora|full`` is asked."""

    task: str
    data: tuple[Path, ...]
    """Folders of datasets, learnt from together."""
    to: Path
    """The pilot's folder."""
    settings: SftSettings
    parent: str | None = None
    """A pilot to go on from, which then decides base and prompt: a folder, a name in ``pilots/`` or a hub id."""
    balance: Balance = Balance.NONE
    task_module: str | None = None


SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

EXACT = "float32"
"""What a model's answers are compared in: by bfloat16 alone two of 55 come out otherwise."""


@dataclass(frozen=True)
class AverageSetup:
    """What is looked for between a pilot and its base."""

    pilot: str
    to: Path
    """The folder of the pilot that is best."""
    shares: tuple[float, ...] = SHARES
    """How much of the pilot's change is in each point: 0 is the base, 1 the pilot."""
    episodes: int = 20
    """Flown at each point, under the virtual clock with time frozen."""
    tradeoff: float = 0.5
    """What it counts to have kept the base's knowledge, from 0 (flying alone counts) to 1."""
    dtype: str = EXACT
    device: str | None = None
    task_module: str | None = None

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            OntickError: with the first one found.
        """
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise OntickError("--shares are above 0 (the base) and at most 1 (the pilot), such as: 0.5 0.7 0.9 1")
        if self.episodes < 1:
            raise OntickError(f"--episodes {self.episodes} flies nothing; give 1 or more")
        if not 0 <= self.tradeoff <= 1:
            raise OntickError(f"--tradeoff {self.tradeoff} cannot be; give 0 (flying alone counts) to 1")
        if self.to.exists() and (not self.to.is_dir() or any(self.to.iterdir())):
            raise OntickError(f"{self.to} holds something already; choose another --to")
