"""An aimed adapter reads only where the flying prompts stand out, whatever it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import students
from ontick.errors import OntickError
from ontick.learning.sft import aim
from ontick.learning.sft.adapter import adapted, adapter_of
from ontick.learning.sft.aim import Aim, Directions, directions_of, everywhere
from ontick.learning.sft.model import make_student
from ontick.learning.sft.moments import READ_AT_ONCE, Texts, second_moments
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.settings import KeepOptions
from ontick.learning.sft.shared import BatchReader, SharedPrefix, WholePrompts
from ontick.learning.sft.train import fine_tune
from ontick.pilots.card import read_card
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")
_files: Any = safetensors.torch
_basis: Any = aim._basis  # pyright: ignore[reportPrivateUsage]

WHOLE = WholePrompts()
FLYING = Texts([5, 6, 7], [[*range(8, 8 + n)] for n in (4, 6, 5)])
GENERAL = Texts([], [[*range(40, 40 + n)] for n in (6, 12)])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    students.rehearse_few(tmp_path, monkeypatch)


def moments(seed: int, size: int, scale: float) -> torch.Tensor:
    rows = np.random.default_rng(seed).normal(size=(3 * size, size)) * scale ** np.arange(size)
    return torch.tensor(rows.T @ rows / len(rows))


@given(st.integers(0, 1000), st.integers(2, 9), st.floats(0.5, 1.5), st.floats(0.2, 20))
@settings(max_examples=60, deadline=None)
def test_whatever_lies_in_the_directions_is_that_much_stronger_in_the_prompts(
    seed: int, size: int, scale: float, ratio: float
) -> None:
    flying, general = moments(seed, size, scale), moments(seed + 1, size, 1)
    basis = _basis(flying, general, ratio).double()
    values = np.linalg.eigvals(np.linalg.solve(general.numpy(), flying.numpy())).real
    assert basis.shape == (size, int((values >= ratio).sum()))
    torch.testing.assert_close(basis.T @ basis, torch.eye(basis.shape[1]).double(), atol=1e-5, rtol=0)
    for number in range(5):
        inside = basis @ torch.tensor(np.random.default_rng(number).normal(size=basis.shape[1]))
        strong, weak = inside @ flying @ inside, inside @ general @ inside
        assert float(strong) >= ratio * float(weak) * (1 - 1e-4)


def adapter(pilot: Path, matrix: str) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = _files.load_file(pilot / "adapter_model.safetensors")
    return {name: weights for name, weights in found.items() if matrix in name}


def test_a_trained_adapter_reads_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Directions] = []

    def seen(*asked: Any) -> Any:
        found.append(directions_of(*asked))
        return found[-1]

    monkeypatch.setattr("ontick.learning.sft.keeping.directions_of", seen)
    students.rehearse_few(tmp_path, monkeypatch)
    settings = replace(students.lora(steps=12), keep=KeepOptions(aim=1.5, answer_tokens=4))
    lesson = Lesson(students.taught_states(300))
    card = fine_tune(CARTPOLE, lesson, settings, tmp_path / "p")
    assert card.settings["keep"]["aim"] == 1.5
    assert card.metrics["retention"] is not None
    for name, weights in adapter(tmp_path / "p", "lora_A").items():
        basis = found[0][name.removesuffix(".lora_A.weight")].basis
        torch.testing.assert_close(weights @ basis @ basis.T, weights, atol=1e-5, rtol=1e-4)
    assert all(weights.abs().max() > 0 for weights in adapter(tmp_path / "p", "lora_B").values())
    onward = replace(settings, optimiser=replace(settings.optimiser, steps=3))
    child = fine_tune(CARTPOLE, lesson, onward, tmp_path / "child", parent=tmp_path / "p")
    assert read_card(tmp_path / "child").parent == card.id
    assert child.metrics["steps"] == 3


def test_every_row_comes_back_to_the_directions_and_what_was_learnt_stays() -> None:
    model = make_student(CARTPOLE, students.lora()).model
    directions = directions_of(model, WHOLE, FLYING, GENERAL, 1.2)
    reads = {name: adapter_of(layer).reads for name, layer in adapted(model).items()}
    before = {name: weights.detach().clone() for name, weights in reads.items()}
    Aim(model, directions).bring_back(as_large=True)
    assert len({id(room) for room in directions.values()}) < len(reads), "some read the same"
    for name, weights in reads.items():
        basis, found = directions[name].basis, weights.detach()
        wanted = before[name] @ basis @ basis.T
        torch.testing.assert_close(found.norm(dim=1), before[name].norm(dim=1))
        torch.testing.assert_close(
            found, wanted * (found.norm(dim=1) / wanted.norm(dim=1))[:, None], atol=1e-5, rtol=1e-4
        )
        assert basis.shape[1] < basis.shape[0]


def test_an_adapter_is_held_once_it_came_back_and_everything_holds_any() -> None:
    model = make_student(CARTPOLE, students.lora()).model
    directions = directions_of(model, WHOLE, FLYING, GENERAL, 1.2)
    held = Aim(model, directions)
    assert not held.is_held()
    assert Aim(model, everywhere(model, WHOLE, GENERAL)).is_held()
    held.bring_back()
    assert held.is_held()


@pytest.mark.parametrize("shares", [True, False])
def test_what_layers_are_given_is_what_each_text_gives_them_alone(shares: bool) -> None:
    model = make_student(CARTPOLE, students.lora()).model
    reader: BatchReader = SharedPrefix(model.config) if shares else WHOLE
    many = Texts(FLYING.prefix, [[*range(n, n + 2 + n % 3)] for n in range(20, 20 + READ_AT_ONCE + 3)])
    given: dict[str, list[torch.Tensor]] = {}
    layers = adapted(model)

    def seen_by(name: str) -> Any:
        def see(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            given.setdefault(name, []).append(inputs[0][0])

        return see

    for name, layer in layers.items():
        layer.register_forward_pre_hook(seen_by(name))
    model.eval()
    with torch.no_grad(), model.disable_adapter():
        for suffix in many.suffixes:
            model(torch.tensor([[*many.prefix, *suffix]]))
    alone = {name: torch.cat([rows[len(many.prefix) :] for rows in texts]).double() for name, texts in given.items()}
    found = second_moments(model, reader, many)
    assert set(found) == set(layers)
    for name, (mean, _) in found.items():
        torch.testing.assert_close(mean, alone[name].T @ alone[name] / len(alone[name]), atol=1e-5, rtol=1e-3)


def test_layers_that_read_the_same_have_the_same_directions_and_what_is_learnt_does_not_matter() -> None:
    model = make_student(CARTPOLE, students.lora()).model
    asked = (WHOLE, Texts([], [[5, 6, 7, 8]]), Texts([], [[40, 41, 42]]), 1.2)
    before = directions_of(model, *asked)
    queries = [name for name in before if name.endswith("q_proj")]
    for name in queries:
        for same in ("k_proj", "v_proj"):
            assert torch.equal(before[name].basis, before[name.replace("q_proj", same)].basis)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.add_(1.0)
    talk = second_moments(model, WHOLE, asked[2])
    for name, room in directions_of(model, *asked).items():
        torch.testing.assert_close(room.basis, before[name].basis)
        basis = room.basis.double()
        general = talk[name][0]
        floored = general + aim.FLOOR * general.diagonal().mean() * torch.eye(len(general))
        torch.testing.assert_close(room.talk, basis.T @ floored @ basis, atol=1e-6, rtol=1e-4)


def test_what_cannot_be_aimed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="with: lora"):
        replace(students.settings(), keep=KeepOptions(aim=5)).check()
    with pytest.raises(OntickError, match="cannot be negative"):
        replace(students.lora(), keep=KeepOptions(aim=-1)).check()
    settings = replace(students.lora(steps=1), keep=KeepOptions(aim=1e9))
    with pytest.raises(OntickError, match=r"lower --keep\.aim"):
        fine_tune(CARTPOLE, Lesson(students.taught_states(50)), settings, tmp_path / "p")
    assert not (tmp_path / "p" / "pilot.json").exists()
