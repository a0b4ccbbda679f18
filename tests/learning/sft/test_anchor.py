"""What an anchor foresees is what the model says otherwise, and an adapter that is anchored says less otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import students
from ontick.errors import OntickError
from ontick.learning.sft import keeping, moments
from ontick.learning.sft.aim import everywhere
from ontick.learning.sft.anchor import Anchor
from ontick.learning.sft.general import SHIPPED, choose_chats
from ontick.learning.sft.model import make_student
from ontick.learning.sft.moments import Texts, sensitivities
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.rehearsal import rehearsal_of
from ontick.learning.sft.settings import KeepOptions
from ontick.learning.sft.shared import BatchReader, SharedPrefix, WholePrompts
from ontick.learning.sft.talk import Talk
from ontick.learning.sft.train import fine_tune
from ontick.models.hf.write import write_many
from ontick.tasks import find_task

_torch: Any = torch

CARTPOLE = find_task("cartpole")
WHOLE = WholePrompts()
FLYING = Texts([5, 6, 7], [[*range(first, first + 5)] for first in range(8, 40, 3)])
ONE_TOKEN = Texts([], [[40]])


def said(model: Any, token: int = 40) -> torch.Tensor:
    with torch.no_grad():
        return nn.functional.log_softmax(model(torch.tensor([[token]])).logits[0, -1].double(), dim=-1)


def write(model: Any, layer: str, size: float) -> None:
    """Let the adapter of one layer write something."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if layer in name and "lora_B" in name:
                _torch.manual_seed(5)
                weights.copy_(size * torch.randn(weights.shape))


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("layer", ["layers.0.self_attn.v_proj", "layers.0.mlp.up_proj", "layers.1.mlp.down_proj"])
def test_of_one_layer_and_one_token_it_foresees_the_divergence(
    layer: str, shares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "FOLLOWED_AT_ONCE", 100)
    model = make_student(CARTPOLE, students.lora()).model.eval()
    reader: BatchReader = SharedPrefix(model.config) if shares else WHOLE
    directions = everywhere(model, WHOLE, ONE_TOKEN)
    curvatures = sensitivities(model, reader, Texts([], [[40]] * 1500))
    anchor = Anchor(model, directions, curvatures, 3.0)
    assert float(anchor.cost().detach()) == 0
    with model.disable_adapter():
        base = said(model)
    write(model, layer, 0.005)
    foreseen = float(anchor.foreseen().detach())
    assert foreseen == pytest.approx(float((base.exp() * (base - said(model))).sum()), rel=0.15)
    assert float(anchor.cost().detach()) == pytest.approx(3 * foreseen)
    write(model, layer, 0.01)
    assert float(anchor.foreseen().detach()) == pytest.approx(4 * foreseen, rel=1e-4)


def test_how_texts_are_read_together_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_student(CARTPOLE, students.lora()).model
    texts = Texts([9, 8], [[first % 3, *range(first, first + 2 + first % 4)] for first in range(20, 41)])

    # The same tokens, however they are read: always the likeliest.
    def likeliest(odds: torch.Tensor, n: int, generator: Any) -> torch.Tensor:
        return odds.argmax(dim=-1, keepdim=True)

    monkeypatch.setattr(torch, "multinomial", likeliest)
    in_rows, whole = (sensitivities(model, reader, texts) for reader in (SharedPrefix(model.config), WHOLE))
    assert set(in_rows) == {name for name, layer in model.named_modules() if hasattr(layer, "lora_A")}
    for name, found in in_rows.items():
        columns = torch.eye(len(found.vectors))
        exact = whole[name].within(columns)
        torch.testing.assert_close(found.within(columns), exact, atol=1e-4 * float(exact.abs().max()), rtol=1e-3)


def test_who_is_anchored_says_less_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    students.rehearse_few(tmp_path, monkeypatch)
    lesson, perplexity = Lesson(students.taught_states(300)), dict[float, float]()
    for weight in (1e-9, 1e3):
        settings = replace(students.lora(steps=20), keep=KeepOptions(anchor=weight, answer_tokens=4))
        card = fine_tune(CARTPOLE, lesson, settings, tmp_path / f"{weight:g}")
        assert card.settings["keep"]["anchor"] == weight
        perplexity[weight] = card.metrics["retention"]["perplexity_ratio"]
    assert abs(perplexity[1e3] - 1) < 0.5 * abs(perplexity[1e-9] - 1)


def test_what_cannot_be_anchored_is_refused() -> None:
    with pytest.raises(OntickError, match="with: lora"):
        replace(students.settings(), keep=KeepOptions(anchor=1)).check()
    with pytest.raises(OntickError, match="cannot be negative"):
        replace(students.lora(), keep=KeepOptions(anchor=-1)).check()


def test_only_what_will_be_read_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    students.rehearse_few(tmp_path, monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked, rehearsed = list[int](), list[int]()

    def rehearsing(base: Any, talk: Talk, digest: str) -> Any:
        rehearsed.append(len(talk))
        return rehearsal_of(base, talk, digest)

    def counting(model: Any, prompts: Any, *more: Any) -> Any:
        asked.append(len(prompts))
        return write_many(model, prompts, *more)

    monkeypatch.setattr("ontick.learning.sft.talk.write_many", counting)
    monkeypatch.setattr(keeping, "rehearsal_of", rehearsing)
    assert len(choose_chats(SHIPPED)) > 6
    ways = {
        "anchored": KeepOptions(anchor=1),
        "rehearsed": KeepOptions(anchor=1, kl=1, batch=2),
        "few": KeepOptions(anchor=1, kl=1, batch=2, distinct=3),
        "several": KeepOptions(kl=1, batch=3, distinct=8),
    }
    for name, keep in ways.items():
        learnt = replace(students.lora(steps=3), keep=replace(keep, heard=2, answer_tokens=4))
        fine_tune(CARTPOLE, Lesson(students.taught_states(300)), learnt, tmp_path / name)
    # The others that are rehearsed; then some of these; then eight, of which six are answered.
    assert asked == [2, 4, 2]
    assert rehearsed == [6, 3, 8]
