"""Between a pilot and its base: every point is what it says, and the best becomes a pilot like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import students
from ontick.cli import main
from ontick.controllers.catalog import Asking, make_controller
from ontick.learning.flock import fly_together
from ontick.learning.sft.learner import pilot_policy
from ontick.learning.sft.model import load_pilot, load_word
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.settings import LoraOptions, Method
from ontick.learning.sft.train import fine_tune
from ontick.models.base import ModelOptions
from ontick.pilots.card import read_card
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")
EXACT = ModelOptions(dtype="float32", device="cpu", threads=1)


def trained(to: Path, method: Method) -> Path:
    plain = students.settings(method, steps=10, every=0, lora=LoraOptions(rank=4))
    settings = replace(plain, optimiser=replace(plain.optimiser, learning_rate=1e-2))
    fine_tune(CARTPOLE, Lesson(students.taught_states(300)), settings, to)
    return to


def weights(pilot: Path) -> dict[str, torch.Tensor]:
    return {n: t.detach() for n, t in load_pilot(pilot, read_card(pilot), EXACT).model.named_parameters()}


def average(pilot: Path, to: Path, *more: str) -> int:
    words = f"average {pilot} --to {to} --episodes 2 --device cpu --json"
    return main([*words.split(), *more])


@pytest.mark.parametrize("method", Method)
def test_a_point_is_that_share_of_the_way(tmp_path: Path, method: Method, capsys: pytest.CaptureFixture[str]) -> None:
    pilot = trained(tmp_path / "pilot", method)
    assert average(pilot, tmp_path / "between", "--shares", "0.25") == 0
    said = json.loads(capsys.readouterr().out)
    base = dict(load_word(f"hf:{students.tiny_model()}", EXACT).model.named_parameters())
    tuned, between = weights(pilot), weights(tmp_path / "between")
    moved = 0.0
    for name, found in between.items():
        expected = base[name].detach() + 0.25 * (tuned[name] - base[name].detach())
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        moved = max(moved, float((tuned[name] - base[name]).detach().abs().max()))
    assert moved > 1e-3
    card, parent = read_card(tmp_path / "between"), read_card(pilot)
    assert (card.parent, card.version, card.kind) == (parent.id, parent.version + 1, parent.kind)
    assert card.id != parent.id
    assert (card.metrics["share"], said["points"][0]["share"]) == (0.25, 0.25)
    assert said["pilot"] == str(tmp_path / "between")
    assert (tmp_path / "between" / "README.md").exists()


def test_each_point_is_flown_and_asked_and_the_best_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pilot = trained(tmp_path / "pilot", Method.LORA)
    assert average(pilot, tmp_path / "best", "--shares", "0.5", "1", "--tradeoff", "0") == 0
    said = json.loads(capsys.readouterr().out)
    points = {point["share"]: point for point in said["points"]}
    assert list(points) == [0.5, 1.0]
    best = max(points.values(), key=lambda point: point["score"])
    assert said["metrics"]["share"] == best["share"]
    for share, place in ((1.0, pilot), (best["share"], tmp_path / "best")):
        flights = fly_together(CARTPOLE, pilot_policy(CARTPOLE, place, EXACT), range(3_000_000, 3_000_002))
        assert points[share]["summary"]["reward_mean"] == sum(f.episode.reward for f in flights) / 2
    assert points[1.0]["retention"]["questions"] == 96
    assert points[0.5]["retention"]["kl_flying_nats"] < points[1.0]["retention"]["kl_flying_nats"]
    controller = make_controller(f"pilot:{tmp_path / 'best'}", CARTPOLE, Asking(model=EXACT))
    controller.reset(0)
    assert (3_000_000, 3_000_001) in read_card(tmp_path / "best").seeds


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pilot = trained(tmp_path / "pilot", Method.LORA)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    assert main(f"train cartpole mlp --data {students.dataset()} --to {tmp_path / 'mlp'} --mlp.steps 20".split()) == 0
    capsys.readouterr()
    for words, message in (
        ((pilot, tmp_path / "new", "--shares", "0"), "--shares are above 0"),
        ((pilot, tmp_path / "new", "--shares", "1.5"), "--shares are above 0"),
        ((pilot, tmp_path / "new", "--tradeoff", "2"), "--tradeoff 2"),
        ((pilot, tmp_path / "full"), "holds something already"),
        ((tmp_path / "mlp", tmp_path / "new"), "small network"),
        ((tmp_path / "nowhere", tmp_path / "new"), "no pilot"),
    ):
        asked, to, *more = map(str, words)
        assert average(Path(asked), Path(to), *more) == 2
        said = capsys.readouterr().err
        assert message in " ".join(said.split())
        assert "Traceback" not in said
        assert not (tmp_path / "new").exists()


def test_a_base_that_reads_other_tokens_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pilot = trained(tmp_path / "pilot", Method.FULL)
    config = pilot / "tokenizer_config.json"
    said = json.loads(config.read_text())
    template = "{% for message in messages %}[{{ message.content }}]{% endfor %}"
    if (pilot / "chat_template.jinja").exists():
        (pilot / "chat_template.jinja").write_text(template)
    else:
        config.write_text(json.dumps({**said, "chat_template": template}))
    assert average(pilot, tmp_path / "new") == 2
    assert "another chat template or tokenizer" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "new").exists()
