"""In which quantisation do these weights decide fastest on this machine? Measured once, then remembered.

A decision reads some twenty tokens at most, and which kernels llama.cpp has for that depends on the processor:
on one machine 4-bit blocks win by half, on another 8-bit ones. So every candidate is made and timed, each in a
process of its own, and the fastest is kept.
"""

from __future__ import annotations

import ctypes
import json
import logging
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import llama_cpp

from ontick.cache import cache_folder, file_digest, made_whole
from ontick.errors import OntickError
from ontick.models.base import Message, ModelOptions
from ontick.models.llama.kernels import build
from ontick.models.llama.log import Quiet
from ontick.models.llama.model import LlamaCpp
from ontick.records import Json

AS_IS = "as-is"
FASTEST = "fastest"

MEASURED_TOKENS = (5, 18)
"""New tokens of the decisions that are timed: four numbers in the compact layout, and in a chat."""

_DECISIONS = 20

_api: Any = llama_cpp
"""llama-cpp-python's low-level functions are typed as ctypes stubs that no checker can follow."""

_log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """One way to store weights."""

    file_type: int
    pure: bool = False
    """Every tensor alike; otherwise llama.cpp keeps the output layer, and a tied embedding, more precise."""


KINDS: dict[str, Kind] = {
    "f32": Kind(llama_cpp.LLAMA_FTYPE_ALL_F32),
    "f16": Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_F16),
    "bf16": Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_BF16),
    "q8_0": Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0),
    "q4_1": Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_1),
    "q4_0": Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0),
    "q4_0-pure": Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0, pure=True),
}

CANDIDATES = (AS_IS, "f16", "bf16", "q8_0", "q4_0-pure")
"""What is timed, the more precise first; one that is not faster by a margin does not replace one before it."""

MARGIN = 0.9
"""A candidate must beat a more precise one by this factor: speed that is hardly there is not worth other answers."""


@dataclass(frozen=True)
class Selection:
    """Which quantisation was chosen, and by which times."""

    chosen: str
    decision_ms: dict[str, float | None]
    """Best time of the decisions of `MEASURED_TOKENS` together in each candidate; None where it could not run."""
    drift_nats: dict[str, float | None]
    """How far a log-probability moves from the file's own, the median over some questions of the largest of ten."""
    threads: int

    def why(self) -> str:
        """Say it in a sentence."""
        times = sorted((ms, kind) for kind, ms in self.decision_ms.items() if ms is not None)
        told = ", ".join(f"{kind} {ms:.1f} ms{self._drifted(kind)}" for ms, kind in times)
        few, many = MEASURED_TOKENS
        plural = "" if self.threads == 1 else "s"
        return f"{self.chosen}, for {few} and {many} new tokens together, {self.threads} thread{plural}: {told}"

    def _drifted(self, kind: str) -> str:
        drift = self.drift_nats[kind]
        return "" if kind == AS_IS or drift is None else f" (scores move by {drift:.2g} nats)"

    def as_json(self) -> Json:
        """Return what ``ontick models --json`` says of it."""
        return {**asdict(self), "why": self.why()}


def prepare(path: Path, wanted: str, options: ModelOptions) -> Path:
    """Return a file with the weights of ``path`` in the quantisation ``wanted``, made if it is not there yet.

    Raises:
        OntickError: there is no such kind, or the file cannot be converted.
    """
    if wanted == FASTEST:
        wanted = select(path, options).chosen
    if wanted == AS_IS:
        return path
    check_kind(wanted)
    made = _made(path, wanted)
    if not made.exists():
        convert(path, made, KINDS[wanted])
    return made


def check_kind(wanted: str) -> None:
    """Refuse a quantisation that there is not.

    Raises:
        OntickError: naming those that there are.
    """
    if wanted not in KINDS:
        raise OntickError(
            f"unknown quantisation {wanted!r}; choose one of: {', '.join((AS_IS, FASTEST, *sorted(KINDS)))}"
        )


def recall(path: Path, options: ModelOptions) -> Selection | None:
    """Return what was chosen for ``path`` here, if it has been timed with as many threads and this llama.cpp."""
    with suppress(OSError, ValueError, TypeError):
        known = Selection(**json.loads(remembered_file(path, options).read_text()))
        return known if set(known.decision_ms) == set(CANDIDATES) else None
    return None


def select(path: Path, options: ModelOptions) -> Selection:
    """Return the fastest quantisation of ``path`` here, timing them if that has not been done yet."""
    known = recall(path, options)
    if known is not None:
        return known
    _log.info("timing %s in %d quantisations, once for this machine (some 10 s)", path.name, len(CANDIDATES))
    trials = {kind: _try(path, kind, options) for kind in CANDIDATES}
    times = {kind: trial and trial.decision_ms for kind, trial in trials.items()}
    chosen = _fastest(times, CANDIDATES)
    selection = Selection(
        chosen,
        times,
        {kind: _drift(trials[AS_IS], trial) for kind, trial in trials.items()},
        options.processor_threads,
    )
    with suppress(OSError), made_whole(remembered_file(path, options)) as partial:
        partial.write_text(json.dumps(asdict(selection)))
    _log.info("%s", selection.why())
    for kind in set(CANDIDATES) - {AS_IS, chosen}:
        _made(path, kind).unlink(missing_ok=True)
    return selection


def fastest_of(path: Path, kinds: Sequence[str], options: ModelOptions) -> str:
    """Return the fastest of ``kinds``, the more precise first, for weights of the shape that ``path`` has."""
    return _fastest(select(path, options).decision_ms, kinds)


def _fastest(decision_ms: Mapping[str, float | None], kinds: Sequence[str]) -> str:
    chosen = kinds[0]
    for kind in kinds:
        time_ms, best_ms = decision_ms[kind], decision_ms[chosen]
        if time_ms is not None and (best_ms is None or time_ms < best_ms * MARGIN):
            chosen = kind
    return chosen


def remembered_file(path: Path, options: ModelOptions) -> Path:
    """Return where the choice for ``path`` is kept: for as many threads, and this llama.cpp."""
    return _folder(path) / f"{path.stem}.{options.processor_threads}-threads.{build()}.json"


def _folder(path: Path) -> Path:
    """Return where what is made of a file is kept: by its name, size, time and place."""
    return cache_folder() / "models" / f"{path.stem}-{file_digest(path)[:12]}"


def _made(path: Path, kind: str) -> Path:
    return _folder(path) / f"{path.stem}.{kind}.gguf"


def convert(source: Path, made: Path, kind: Kind) -> None:
    """Write the weights of ``source`` to ``made`` in another quantisation, whole or not at all.

    Raises:
        OntickError: llama.cpp cannot convert it, or it cannot be written.
    """
    parameters = _api.llama_model_quantize_default_params()
    parameters.ftype = kind.file_type
    parameters.pure = kind.pure
    parameters.allow_requantize = True
    try:
        with made_whole(made) as partial, Quiet() as said:
            failed = _api.llama_model_quantize(os.fsencode(source), os.fsencode(partial), ctypes.byref(parameters))
            if failed:
                raise OntickError(
                    f"llama.cpp cannot convert {source} ({said.last_error}); use --model.quantisation as-is"
                )
    except OSError as error:
        raise OntickError(f"cannot write {made} ({error.strerror}); use --model.quantisation as-is") from error


class _Trial(NamedTuple):
    """What a candidate did in a process of its own."""

    decision_ms: float
    logprobs: list[list[float]]


def _try(path: Path, kind: str, options: ModelOptions) -> _Trial | None:
    """Let a candidate decide; None if it cannot be made or run."""
    try:
        made = prepare(path, kind, options)
    except OntickError:
        return None
    tried = subprocess.run(
        [sys.executable, "-m", "ontick.models.llama.quantise", str(made), str(options.processor_threads)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return None if tried.returncode else _Trial(*json.loads(tried.stdout))


def _decide(path: str, threads: int) -> _Trial:
    """Decide, and return the best time of the decisions together: what else the machine does only adds to it."""
    model = LlamaCpp(Path(path), options=ModelOptions(threads=threads))
    best_ms = dict.fromkeys(MEASURED_TOKENS, math.inf)
    logprobs: list[list[float]] = []
    for number in range(_DECISIONS):
        for size, tokens in enumerate(MEASURED_TOKENS):
            # Every digit is a token, and the first of them differs from the one before.
            state = str((2 * number + size) % 10) * (tokens - 1)
            choice = model.choose([Message("user", "0"), Message("assistant", f"{state}=")], _DIGITS)
            best_ms[tokens] = min(best_ms[tokens], choice.elapsed_ms) if number else math.inf
            logprobs.append(list(choice.logprobs))
    return _Trial(sum(best_ms.values()), logprobs)


def _drift(as_is: _Trial | None, trial: _Trial | None) -> float | None:
    """Return how far the candidate's answers are from the file's own; see `Selection.drift_nats`."""
    if as_is is None or trial is None:
        return None
    pairs = zip(as_is.logprobs, trial.logprobs, strict=True)
    return statistics.median(max(abs(a - b) for a, b in zip(*pair, strict=True)) for pair in pairs)


_DIGITS = tuple("0123456789")


if __name__ == "__main__":
    print(json.dumps(_decide(sys.argv[1], int(sys.argv[2]))))
