"""How is a model fine-tuned? By transformers' `Trainer`, which is told only what its loss and its evaluation are.

The loss is the cross entropy of the one token that says the action, over the whole vocabulary: what completion-only
training computes. An evaluation flies episodes under the virtual clock with time frozen; the best checkpoint is the
one with the most successes, of equals the one with more reward, of equals the later; where knowledge counts too, by
the trade-off that is chosen.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import helpers
from torch import nn

from ontick.cache import made_whole
from ontick.dead_time import Awareness
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress
from ontick.evaluation.summary import summarise
from ontick.learning.flock import fly_together
from ontick.learning.sft.anchor import Anchor
from ontick.learning.sft.policy import BatchPolicy
from ontick.learning.sft.rehearsal import Keeper
from ontick.learning.sft.settings import SelectionOptions
from ontick.learning.sft.shared import BatchReader
from ontick.learning.sft.tokens import Examples
from ontick.records import Json
from ontick.tasks.base import Task

_peft: Any = helpers
_transformers: Any = transformers
_accelerate: Any = importlib.import_module("accelerate.utils")
_Trainer: Any = transformers.Trainer
_Callback: Any = transformers.TrainerCallback

SCORE = "eval_score"

REWARD = 100.0
"""In the size of what a good flight of either task is worth: below it a reward counts as it is, above less and less."""

READ, LEARNT, KEPT = "read", "learnt", "kept"
"""The parts of a batch: what the model reads, what it learns of the flights, and what it keeps of conversations."""

REHEARSAL, ANCHOR = "rehearsal", "anchor"
"""Parts of the loss, as the log calls them."""


class Collator:
    """Makes tensors of the examples with some numbers; a number below zero is a conversation of ``keeper``."""

    def __init__(self, examples: Examples, reader: BatchReader, keeper: Keeper | None = None) -> None:
        self._examples = examples
        self._reader = reader
        self._keeper = keeper

    def __call__(self, numbers: Sequence[int]) -> dict[str, dict[str, torch.Tensor]]:
        """Return in ``read`` the reader's batch, of the conversations too, if there are any, and what is learnt of it.

        That is in ``learnt`` of the examples ``targets``, the token to learn of each, shape (examples,), and where
        there are odds, too, ``odds`` and the ``answers`` that they are of, shape (examples, actions) each; in ``kept``
        what `Keeper.batch` says.
        """
        known, places = self._examples, [number for number in numbers if number >= 0]
        read = self._reader.batch(known.prefix, [known.suffixes[number].tolist() for number in places])
        learnt = {"targets": torch.tensor(known.targets[places])}
        if known.odds is not None:
            learnt |= {"odds": torch.tensor(known.odds[places]), "answers": torch.tensor(known.answers[places])}
        if self._keeper is None:
            return {READ: read, LEARNT: learnt}
        conversations, kept = self._keeper.batch([~number for number in numbers if number < 0])
        return {READ: self._reader.together(read, conversations), LEARNT: learnt, KEPT: kept}


def answer_loss(logits: torch.Tensor, learnt: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean cross entropy of the answers in nats; ``learnt`` has ``targets``, ``logits`` a row for each.

    Where it has ``odds``, the mean Kullback-Leibler divergence from them: as good to learn from, and 0 at best.
    """
    if "odds" not in learnt:
        return nn.functional.cross_entropy(logits, learnt["targets"])
    said = nn.functional.log_softmax(logits, dim=-1).gather(1, learnt["answers"])
    return nn.functional.kl_div(said, learnt["odds"], reduction="batchmean")


class Examiner:
    """Flies the selection's episodes and writes what came of it into ``folder``; also what is left of the base.

    ``memory``, where it is given, measures the latter, and what it says counts as the selection's trade-off wants.
    """

    def __init__(
        self,
        task: Task,
        policy: BatchPolicy,
        selection: SelectionOptions,
        folder: Path,
        aware: Awareness | None = None,
        memory: Callable[[], Json] | None = None,
    ) -> None:
        self._task = task
        self._policy = policy
        self._selection = selection
        self._folder = folder
        self._aware = aware
        self._memory = memory

    def examine(self, step: int) -> Json:
        """Return the metrics of the model as it is now.

        Raises:
            OSError: the folder cannot be written.
        """
        began = time.perf_counter()
        self._policy.forget()
        flights = fly_together(self._task, self._policy, self._selection.seeds, aware=self._aware)
        summary = summarise(self._task, flights)
        rate, reward = summary["success_rate"], summary["reward_mean"]
        left = None if self._memory is None else self._memory()
        tradeoff = self._selection.tradeoff
        found = {
            SCORE: traded(score(rate, reward, len(flights), step), left["kept"] if left else 0.0, tradeoff),
            "eval_success_rate": rate,
            "eval_reward_mean": reward,
            **({} if left is None else {"eval_kept": left["kept"]}),
            "eval_runtime": time.perf_counter() - began,
        }
        with made_whole(self.file(step)) as partial:
            partial.write_text(json.dumps({"step": step, **found, "summary": summary, "retention": left}) + "\n")
        return found

    def file(self, step: int) -> Path:
        """Return where the evaluation at ``step`` is written."""
        return self._folder / f"evaluation-{step}.json"


def score(success_rate: float, reward_mean: float, episodes: int, step: int) -> float:
    """Return a number that orders evaluations by success, then reward, then how much has been learnt from."""
    # Success rates differ by 1 / episodes at least; the reward moves it by less than half of that.
    return success_rate + reward_mean / (REWARD + abs(reward_mean)) / (4 * episodes) + 1e-12 * step


def traded(flown: float, kept: float, tradeoff: float) -> float:
    """Return what flying and knowledge come to together; ``tradeoff`` from 0, flying alone counts, to 1."""
    return (1 - tradeoff) * flown + tradeoff * kept


class AnswerTrainer(_Trainer):
    """A `Trainer` of the answer's token.

    ``data_collator`` must be a `Collator` of the same ``reader`` and ``keeper``. The ``examiner`` works in the main
    process only.
    """

    def __init__(
        self,
        *,
        reader: BatchReader,
        examiner: Examiner | None,
        keeper: Keeper | None = None,
        anchor: Anchor | None = None,
        **known: Any,
    ) -> None:
        self._super: Any = super()
        self._super.__init__(**known)
        self._reader = reader
        self._examiner = examiner
        self._keeper = keeper
        self._anchor = anchor
        self._costs: dict[str, list[torch.Tensor]] = {REHEARSAL: [], ANCHOR: []}
        """What each cost in each part of the steps since the last entry of the log."""
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False  # a batch's mean: Trainer divides it by the parts of a step

    def compute_loss(
        self, model: Any, inputs: dict[str, dict[str, torch.Tensor]], return_outputs: bool = False, **_: Any
    ) -> Any:
        """Return the answers' loss, and what it costs to have forgotten something."""
        # Autocast rounds what an adapter is given; PEFT need not write it out in the adapter's precision before.
        with _peft.disable_input_dtype_casting(model, active=self.args.bf16 or self.args.fp16):
            logits = self._reader.logits(model, inputs[READ]).float()
        examples = len(inputs[LEARNT]["targets"])
        loss = answer_loss(logits[:examples], inputs[LEARNT])
        if self._keeper is not None:
            loss = loss + self._counted(REHEARSAL, self._keeper.loss(logits[examples:], inputs[KEPT]))
        if self._anchor is not None:
            loss = loss + self._counted(ANCHOR, self._anchor.cost().to(loss.device))
        return (loss, {}) if return_outputs else loss

    def _counted(self, name: str, cost: torch.Tensor) -> torch.Tensor:
        self._costs[name].append(cost.detach())
        return cost

    def log(self, logs: dict[str, float], *known: Any, **more: Any) -> None:
        """Log what `Trainer` does, and how much of the loss is for what is kept."""
        if "loss" in logs:
            for name, costs in self._costs.items():
                if costs:
                    logs[name] = float(torch.stack(costs).mean())
                    costs.clear()
        self._super.log(logs, *known, **more)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Do what `Trainer` does; refuse a loss that is no number before any weight has it.

        Raises:
            OntickError: the loss is not finite.
        """
        loss: torch.Tensor = self._super.training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise OntickError(
                f"the loss is {float(loss)} at step {self.state.global_step + 1}; the checkpoints before are whole. "
                "Give a smaller --optimiser.learning-rate and another --to"
            )
        return loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Fly in the main process; every process gets its metrics."""
        assert self._examiner is not None
        found: list[Json | str] = [{}]
        if self.is_world_process_zero():
            found[0] = self._examiner.examine(self.state.global_step)
        metrics: dict[str, float] = _accelerate.broadcast_object_list(found)[0]
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Reports(_Callback):
    """Tells how far the training is, and stops it when it is good enough."""

    def __init__(self, progress: Progress, selection: SelectionOptions) -> None:
        self._progress = progress
        self._selection = selection
        self._said = ""
        self._flew = ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report where it begins, or goes on."""
        if state.is_world_process_zero:
            self._progress(state.global_step, state.max_steps, "")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report a step."""
        if state.is_world_process_zero:
            self._progress(state.global_step, state.max_steps, f"{self._said}{self._flew}")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        """Remember the loss."""
        if "loss" in logs:
            self._said = f"loss {logs['loss']:.3f}"

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Stop after enough perfect evaluations in a row."""
        kept = f", kept {metrics['eval_kept']:.0%}" if "eval_kept" in metrics else ""
        self._flew = f", success {metrics['eval_success_rate']:.0%}{kept}"
        rates = [entry["eval_success_rate"] for entry in state.log_history if "eval_success_rate" in entry]
        enough = self._selection.enough
        if enough and len(rates) >= enough and all(rate == 1 for rate in rates[-enough:]):
            control.should_training_stop = True


def silenced(trainer: Any) -> Any:
    """Take away what prints on stdout."""
    trainer.remove_callback(_transformers.PrinterCallback)
    return trainer
