"""An adapter that may read only some directions does in them as nearly as it can what it did before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import students
from ontick.learning.sft.adapter import adapted, adapter_of
from ontick.learning.sft.aim import Directions, Room, directions_of
from ontick.learning.sft.model import make_student
from ontick.learning.sft.moments import Texts
from ontick.learning.sft.shared import SharedPrefix, WholePrompts, read_logits
from ontick.learning.sft.transfer import least_change, transfer
from ontick.tasks import find_task

_torch: Any = torch
_least_change: Any = least_change

WHOLE = WholePrompts()
FLYING = Texts([5, 6, 7], [[*range(first, first + n)] for first in range(8, 40, 2) for n in (4, 6, 5)])
GENERAL = Texts([], [[*range(40, 40 + n)] for n in (6, 12)])


@given(
    st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 7), st.integers(1, 8), st.sampled_from([0.0, 0.1, 10.0])
)
def test_nothing_of_its_rank_does_better(seed: int, size: int, outputs: int, rank: int, weight: float) -> None:
    rng = np.random.default_rng(seed)

    def matrix(*shape: int) -> Any:
        return torch.tensor(rng.normal(size=shape))

    rows, wanted, talk = matrix(3 * size + 2, size), matrix(3 * size + 2, outputs), matrix(size, size)
    ridge = weight * talk @ talk.T
    writes, reads = _least_change(rows, wanted, ridge, rank)
    assert (writes.shape, reads.shape) == ((outputs, rank), (rank, size))

    def cost(change: torch.Tensor) -> float:
        return float(((rows @ change.T - wanted) ** 2).sum() / len(rows) + (change @ ridge @ change.T).trace())

    least = cost(writes @ reads)
    # Alternating least squares from anywhere ends no lower.
    found = matrix(rank, size)
    weighed = rows.T @ rows / len(rows) + ridge
    cross = wanted.T @ rows / len(rows)
    for _ in range(60):
        written = cross @ found.T @ _torch.linalg.pinv(found @ weighed @ found.T)
        found = _torch.linalg.pinv(written) @ cross @ _torch.linalg.inv(weighed)
        assert cost(written @ found) >= least - 1e-3 * abs(least) - 1e-5
    for part in range(min(rank, size, outputs)):
        assert float(writes[:, part].norm()) == pytest.approx(float(reads[part].norm()), rel=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 8), st.floats(0, 10), st.floats(0, 10))
def test_the_more_talk_counts_the_less_it_changes(seed: int, size: int, rank: int, more: float, less: float) -> None:
    rng = np.random.default_rng(seed)
    rows, wanted, talk = (torch.tensor(rng.normal(size=(3 * size + 2, n))) for n in (size, 4, size))
    moments = talk.T @ talk / len(talk)
    changes = list[float]()
    for weight in sorted((less, more)):
        writes, reads = least_change(rows, wanted, weight * moments, rank)
        changes.append(float(((talk @ reads.T @ writes.T) ** 2).sum()))
    assert changes[1] <= changes[0] * (1 + 1e-3) + 1e-9


def flying_model() -> Any:
    """A tiny model with an adapter that does something."""
    model = make_student(find_task("cartpole"), students.lora()).model
    shaken = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.copy_(0.3 * torch.randn(weights.shape, generator=shaken))
    return model


def everywhere(directions: Directions) -> Directions:
    """May read everything, and talk does not count."""
    sizes = {name: room.basis.shape[0] for name, room in directions.items()}
    return {name: Room(torch.eye(size), torch.zeros(size, size)) for name, size in sizes.items()}


def weighing(talk: float, directions: Directions) -> Directions:
    """Talk is so many times as strong."""
    return {name: Room(room.basis, talk * room.talk) for name, room in directions.items()}


def said(model: Any, texts: Texts = FLYING) -> torch.Tensor:
    with torch.no_grad():
        return read_logits(WHOLE, model, texts.prefix, texts.suffixes, each=True)


def reads(model: Any) -> dict[str, torch.Tensor]:
    """What the adapters read, by the names of their layers."""
    return {name: adapter_of(layer).reads.detach().clone() for name, layer in adapted(model).items()}


def test_what_may_read_everything_does_all_that_it_did() -> None:
    model = flying_model()
    before = said(model)
    with model.disable_adapter():
        base = said(model)
    transfer(model, WHOLE, FLYING, everywhere(directions_of(model, WHOLE, FLYING, GENERAL, 1.2)))
    assert (said(model) - before).square().mean() < 1e-3 * (before - base).square().mean()


def test_it_reads_the_directions_alone_and_loses_less_than_what_is_cut() -> None:
    model = flying_model()
    model.train()
    before = said(model)
    directions = directions_of(model, WHOLE, FLYING, GENERAL, 1.2)
    whole = reads(model)
    with torch.no_grad():
        for name, layer in adapted(model).items():
            basis = directions[name].basis
            adapter_of(layer).reads.copy_(whole[name] @ basis @ basis.T)
    lost = (said(model) - before).square().mean()
    with torch.no_grad():
        for name, layer in adapted(model).items():
            adapter_of(layer).reads.copy_(whole[name])
    transfer(model, WHOLE, FLYING, weighing(0, directions))
    assert model.training
    for name, read in reads(model).items():
        basis = directions[name].basis
        torch.testing.assert_close(read @ basis @ basis.T, read, atol=1e-5, rtol=1e-4)
    assert (said(model) - before).square().mean() < lost


def test_the_louder_talk_is_the_less_is_changed_of_it() -> None:
    changed = list[float]()
    for loud in (0.0, 1e6):
        model = flying_model()
        with model.disable_adapter():
            base = said(model, GENERAL)
        transfer(model, WHOLE, FLYING, weighing(loud, directions_of(model, WHOLE, FLYING, GENERAL, 1.2)))
        changed.append(float((said(model, GENERAL) - base).square().mean()))
    assert changed[1] < changed[0] / 100


def test_prompts_in_a_row_bring_it_as_far_as_whole_prompts_do() -> None:
    brought = list[torch.Tensor]()
    for reader in (WHOLE, SharedPrefix(flying_model().config)):
        model = flying_model()
        transfer(model, reader, FLYING, directions_of(model, WHOLE, FLYING, GENERAL, 1.2))
        brought.append(said(model))
    torch.testing.assert_close(*brought, atol=1e-2, rtol=1e-2)


def test_prompts_that_share_nothing_are_no_matter() -> None:
    model = flying_model()
    alone = Texts([], [[*FLYING.prefix, *suffix] for suffix in FLYING.suffixes])
    before = said(model)
    transfer(model, WHOLE, alone, everywhere(directions_of(model, WHOLE, alone, GENERAL, 1.2)))
    assert (said(model) - before).square().mean() < 1e-2 * before.square().mean()
