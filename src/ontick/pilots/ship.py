"""How does a trained pilot become one that ships with the package? Rounded to float16, its recipe on its card.

float16 keeps 11 bits of each number's precision, so half of the file is gone and hardly any decision: how many stay
the same is measured, and written down. (bfloat16 keeps 8, and turned two of the 54 answers that a talker still knew.)
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ontick.cache import made_whole
from ontick.errors import OntickError
from ontick.models.base import ModelOptions
from ontick.models.catalog import EMBEDDED
from ontick.models.llama.lora import CONFIG, float_tensors, read_lora
from ontick.pilots.as_gguf import gguf_file
from ontick.pilots.card import CARD, WEIGHTS, Kind, PilotCard, read_card, weights_id, write_card
from ontick.pilots.find import SHIPPED
from ontick.pilots.load import load_pilot
from ontick.pilots.readme import README, write_readme
from ontick.pilots.weights import base_of, check_weights
from ontick.prompts import Prompt
from ontick.records import Json, State
from ontick.tasks.base import Task

MOST_BYTES = 12_000_000
"""Of the weights' file; a rank-16 adapter of all linear layers is 9.8 MB."""

LEAST_AGREEMENT = 0.99
"""Of the decisions; a pilot that rounding changes more is not shipped."""

_EXACT = ModelOptions(quantisation="as-is")


@dataclass(frozen=True)
class Recipe:
    """What made a pilot."""

    name: str
    command: str
    seed: int


def ship(folder: Path, name: str, recipe: Recipe, task: Task, states: Sequence[State], to: Path) -> PilotCard:
    """Write the pilot in ``folder`` as ``to``, rounded, and return its card; what stood there before is replaced.

    Args:
        folder: a trained pilot: an adapter of the embedded model.
        name: one of `SHIPPED`.
        recipe: what made it.
        task: what it flies.
        states: recorded ones, on which its decisions before and after are compared.
        to: the folder to write.

    Raises:
        OntickError: it cannot be shipped, with why; nothing is written then.
    """
    if name not in SHIPPED:
        raise OntickError(f"no pilot {name} is shipped; choose one of: {', '.join(SHIPPED)}")
    card = read_card(folder)
    check_weights(folder, card)
    if card.kind is not Kind.LORA or card.base != EMBEDDED:
        raise OntickError(f"{folder} is no adapter of {EMBEDDED}; train one with: ontick train {SHIPPED[name]} lora")
    if card.task != SHIPPED[name]:
        raise OntickError(f"{folder} flies {card.task}, not {SHIPPED[name]}; ship it as {card.task}")
    if read_lora(folder) is None:
        raise OntickError(f"{folder} is more than a plain LoRA adapter, which alone flies without PyTorch; train one")
    content = rounded((folder / WEIGHTS[Kind.LORA]).read_bytes())
    if len(content) > MOST_BYTES:
        size, most = len(content) / 1e6, MOST_BYTES / 1e6
        raise OntickError(
            f"{folder} is {size:.1f} MB in float16, over {most:g} MB; train it with a smaller --lora.rank"
        )
    said: Json = {"name": recipe.name, "command": recipe.command, "seed": recipe.seed, "trained": card.id}
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / name
        made.mkdir()
        (made / WEIGHTS[Kind.LORA]).write_bytes(content)
        shutil.copyfile(folder / CONFIG, made / CONFIG)
        shipped = replace(card, name=name, id=weights_id([made / WEIGHTS[Kind.LORA]]))
        same = _agreeing(_decisions(folder, card, task, states), _decisions(made, shipped, task, states))
        if same < LEAST_AGREEMENT * len(states):
            others = len(states) - same
            raise OntickError(f"in float16 {folder} decides otherwise in {others} of {len(states)} states; train on")
        said |= {"rounded_to": "float16", "agreement": {"states": len(states), "same": same}}
        shipped = replace(shipped, recipe=said)
        write_readme(made, shipped)
        write_card(made, shipped)
        _put(made, to)
    return shipped


def rounded(content: bytes) -> bytes:
    """Return a safetensors file's content with its tensors in float16, each number the nearest one.

    Raises:
        OntickError: a tensor is not of floating point, or holds a number that is beyond float16.
    """
    tensors = float_tensors(content)
    if tensors is None:
        raise OntickError("the adapter has weights that are no floating-point numbers; train it again")
    # Written by hand: what the library's own serialize takes changes from version to version, the format does not.
    header: Json = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    end = 0
    for name, numbers in sorted(tensors.items()):
        with np.errstate(over="ignore"):
            halves = numbers.astype("<f2")
        if not np.isfinite(halves).all():
            raise OntickError("the adapter has weights that float16 cannot hold; train it again")
        parts.append(halves.tobytes())
        begin, end = end, end + len(parts[-1])
        header[name] = {"dtype": "F16", "shape": list(numbers.shape), "data_offsets": [begin, end]}
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    return b"".join((len(told).to_bytes(8, "little"), told, *parts))


def _decisions(folder: Path, card: PilotCard, task: Task, states: Sequence[State]) -> list[int]:
    """Return what a pilot decides by llama.cpp, in float32; nothing of that size is left in the cache."""
    made = gguf_file(folder, card, base_of(card, _EXACT), _EXACT)
    kept = made.exists()
    model, prompt = load_pilot(folder, card, _EXACT), Prompt(task, card.prompt)
    try:
        return [model.choose(prompt.asked(state), prompt.choices).index for state in states]
    finally:
        if not kept:
            made.unlink(missing_ok=True)


def _agreeing(before: Sequence[int], after: Sequence[int]) -> int:
    return sum(a == b for a, b in zip(before, after, strict=True))


def _put(made: Path, to: Path) -> None:
    """Move a pilot's files to their place, the card last."""
    try:
        for name in (WEIGHTS[Kind.LORA], CONFIG, README, CARD):
            with made_whole(to / name) as partial:
                shutil.copyfile(made / name, partial)
    except OSError as error:
        raise OntickError(f"cannot write {to} ({error.strerror}); choose another --to") from error
