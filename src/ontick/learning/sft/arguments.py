"""What is `Trainer` told, and what does it say where it cannot go on?"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.integrations import integration_utils

from ontick.errors import OntickError
from ontick.learning.sft.settings import SftSettings
from ontick.learning.sft.trainer import SCORE
from ontick.models.hf.load import device_of, dtype_of, without_advice

_transformers: Any = transformers
_integrations: Any = integration_utils

LOGGED_EVERY = 10
"""Steps between two entries of the log."""

SAVED_EVERY = 100
"""Steps between checkpoints where no flights choose among them."""


def arguments(settings: SftSettings, training: Path) -> Any:
    """Return what `Trainer` is told, a `TrainingArguments`.

    Raises:
        OntickError: the processes and parts do not divide the batch.
    """
    optimiser, selection = settings.optimiser, settings.selection
    device = device_of(settings.device)

    compute = dtype_of(settings.dtype, device)
    every = selection.every or SAVED_EVERY
    known: dict[str, Any] = {
        "output_dir": str(training),
        "max_steps": optimiser.steps,
        "gradient_accumulation_steps": optimiser.accumulate,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": optimiser.schedule.value,
        "warmup_steps": round(optimiser.warmup * optimiser.steps),
        "weight_decay": optimiser.weight_decay,
        "max_grad_norm": optimiser.clip,
        "seed": settings.seed,
        "bf16": compute == torch.bfloat16,
        "fp16": compute == torch.float16,
        "use_cpu": device == "cpu",
        "train_sampling_strategy": "sequential",  # the order is drawn beforehand
        "remove_unused_columns": False,
        "label_names": ["targets"],
        "dataloader_pin_memory": device == "cuda",
        "logging_steps": LOGGED_EVERY,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if selection.every else "no",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "load_best_model_at_end": bool(selection.every),
        "metric_for_best_model": SCORE if selection.every else None,
        "greater_is_better": True if selection.every else None,
        "report_to": "none",
        "disable_tqdm": True,
    }
    world = _transformers.TrainingArguments(**known).world_size
    parts = world * optimiser.accumulate
    if optimiser.batch % parts:
        raise OntickError(
            f"a batch of {optimiser.batch} cannot be shared by {world} processes in {optimiser.accumulate} parts each; "
            "choose an --optimiser.batch that they divide"
        )
    kept = settings.keep.batch if settings.keep.rehearses else 0
    if kept % parts:
        raise OntickError(
            f"{kept} conversations cannot be shared by {world} processes in {optimiser.accumulate} parts each; "
            f"give --keep.batch {parts}, or a multiple"
        )
    size = (optimiser.batch + kept) // parts
    return _transformers.TrainingArguments(**known, per_device_train_batch_size=size)


def is_main_process() -> bool:
    """Say whether this process is the one that writes and speaks; ``accelerate launch`` starts several."""
    return os.environ.get("RANK", "0") == "0"


def tensorboard(logs: Path) -> list[Any]:
    """Return what writes TensorBoard's logs, where it is installed."""
    if not _integrations.is_tensorboard_available():
        return []
    callback = _integrations.TensorBoardCallback()
    callback.logging_dir = str(logs)
    return [callback]


@contextmanager
def quiet_libraries() -> Generator[None]:
    """Keep the libraries' advice off the terminal; the progress bar stays."""
    log = _transformers.utils.logging
    bars = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        with without_advice():
            yield
    finally:
        if bars:
            log.enable_progress_bar()


@contextmanager
def told_where(pilot: Path) -> Generator[None]:
    """Say in one line that the disk is full, or that memory is."""
    try:
        yield
    except OntickError:
        raise
    except torch.OutOfMemoryError as error:
        raise OntickError("the GPU's memory is full; give a larger --optimiser.accumulate, and another --to") from error
    except Exception as error:
        if _is_refused_write(error):
            said = error.strerror if isinstance(error, OSError) and error.strerror else "No space left on device"
            raise OntickError(f"cannot write {pilot} ({said}); make room: the same command goes on") from error
        raise


def _is_refused_write(error: BaseException) -> bool:
    """Say whether writing failed: PyTorch and safetensors have exceptions of their own for it."""
    if isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EACCES,
        errno.EROFS,
        errno.EFBIG,
    ):
        return True
    said = str(error)
    return "No space left" in said or "os error 28" in said or "PytorchStreamWriter failed" in said
