"""A trained pilot becomes one that ships: half as large, deciding alike, known by its name everywhere."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny_gguf
import tiny_pilots
from ontick.cli import main
from ontick.controllers.catalog import make_controller
from ontick.controllers.llm import LanguageModelController
from ontick.errors import OntickError
from ontick.evaluation.episodes import Setup, prepare
from ontick.models.base import ModelOptions
from ontick.models.catalog import embedded_path
from ontick.models.llama.lora import WEIGHTS, float_tensors
from ontick.pilots import find
from ontick.pilots import ship as shipping
from ontick.pilots.card import PilotCard, read_card, weights_id, write_card
from ontick.pilots.find import find_pilot, shipped_pilots
from ontick.pilots.ship import Recipe, rounded, ship
from ontick.pilots.weights import check_weights
from ontick.records import State
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")

RECIPE = Recipe("cartpole", "python recipes/cartpole.py --seed 3", 3)


def states(count: int) -> list[State]:
    rng = np.random.default_rng(0)
    return list(rng.normal(0, (0.5, 0.5, 0.08, 0.6), (count, 4)).astype(np.float32))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pilot of the embedded model with more than a random opinion of the angle."""
    return tiny_pilots.write_lora(tmp_path_factory.mktemp("trained") / "t", "smollm2", word=str(embedded_path()))


@pytest.fixture(scope="module")
def home(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("shipped")
    ship(trained, "cartpole", RECIPE, CARTPOLE, states(60), home / "cartpole")
    return home


@pytest.fixture
def shipped(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(find, "SHIPPED_HOME", home)
    return home / "cartpole"


def test_a_shipped_pilot_is_half_as_large_and_says_where_it_is_from(trained: Path, shipped: Path) -> None:
    before, card = read_card(trained), read_card(shipped)
    check_weights(shipped, card)
    assert card.recipe is not None
    agreement = card.recipe.pop("agreement")
    made_by = {"name": "cartpole", "command": RECIPE.command, "seed": 3, "trained": before.id, "rounded_to": "float16"}
    assert card.recipe == made_by
    assert agreement["states"] == 60
    assert agreement["same"] >= 59
    assert (card.name, card.base_digest, card.seeds) == ("cartpole", before.base_digest, before.seeds)
    sizes = [(folder / WEIGHTS).stat().st_size for folder in (trained, shipped)]
    assert sizes[1] < 0.55 * sizes[0]
    assert RECIPE.command in (shipped / "README.md").read_text()
    assert {path.name for path in shipped.iterdir()} == {
        "pilot.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "README.md",
    }


def test_rounding_is_to_the_nearest_float16() -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load, save

    numbers = torch.randn(64, 9) * torch.logspace(-30, 3, 9)
    numbers[0, :4] = torch.tensor([0.0, -0.0, 1.00048828125, 1.00146484375])
    content = rounded(save({"b": numbers, "a": numbers[:3].clone()}))
    read = load(content)
    assert torch.equal(read["b"], numbers.to(torch.float16))
    assert read["a"].dtype == torch.float16
    assert rounded(content) == content
    ours = float_tensors(content)
    assert ours is not None
    assert np.array_equal(ours["b"], read["b"].float().numpy())
    with pytest.raises(OntickError, match="float16 cannot hold"):
        rounded(save({"a": torch.tensor([1.0, 1e5])}))


def test_its_name_is_known_wherever_a_pilot_is_named(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_pilot("pilot:cartpole") == find_pilot("cartpole") == shipped
    controller = make_controller("pilot:cartpole", CARTPOLE)
    assert isinstance(controller, LanguageModelController)
    with pytest.raises(OntickError, match="use --seed 0"):
        prepare(Setup("cartpole", "pilot:cartpole", seed=2_000_000))
    prepare(Setup("cartpole", "pilot:cartpole"))
    assert main(["pilots"]) == 0
    assert re.search(r"cartpole +v1 .*shipped", capsys.readouterr().out)
    mine = tiny_pilots.write_mlp(tmp_path / "cartpole")
    assert find_pilot("pilot:./cartpole").resolve() == mine.resolve()


def test_the_shipped_stand_beside_ones_own(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_pilots.write_mlp(tmp_path / "pilots" / "mine", parent=read_card(shipped).id)
    assert main(["pilots", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["pilots"]
    assert [(row["name"], row["shipped"], row["depth"]) for row in rows] == [("cartpole", True, 0), ("mine", False, 1)]
    assert main(["pilots", str(tmp_path / "pilots"), "--json"]) == 0
    elsewhere = json.loads(capsys.readouterr().out)["pilots"]
    assert [row["name"] for row in elsewhere] == ["mine"]


def test_nothing_is_written_beside_a_shipped_pilot(shipped: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in shipped.iterdir()}
    folder = shipped.stat().st_mtime_ns
    make_controller("pilot:cartpole", CARTPOLE).reset(0)
    assert {path.name: path.stat().st_mtime_ns for path in shipped.iterdir()} == before
    assert shipped.stat().st_mtime_ns == folder


def test_training_goes_on_from_it_in_float32(shipped: Path) -> None:
    torch = pytest.importorskip("torch")
    from ontick.learning.sft.model import Parent, as_parent_was, make_student
    from ontick.learning.sft.settings import Method, SftSettings

    parent = Parent(shipped, read_card(shipped))
    settings = as_parent_was(SftSettings(method=Method.LORA, dtype="bfloat16", device="cpu"), parent)
    student = make_student(CARTPOLE, settings, parent)
    learn = {name: weights for name, weights in student.model.named_parameters() if weights.requires_grad}
    kept = float_tensors((shipped / WEIGHTS).read_bytes())
    assert kept is not None
    assert len(learn) == len(kept)
    for name, weights in learn.items():
        assert weights.dtype == torch.float32
        assert np.array_equal(weights.detach().numpy(), kept[name.replace(".default.", ".")])


def test_both_backends_fly_its_rounded_weights(shipped: Path) -> None:
    exact = ModelOptions(quantisation="as-is"), ModelOptions(backend="transformers", dtype="float32", device="cpu")
    ours, theirs = (shipping.load_pilot(shipped, read_card(shipped), options) for options in exact)
    from ontick.prompts import Prompt

    prompt = Prompt(CARTPOLE, read_card(shipped).prompt)
    for state in states(8):
        one, other = (model.choose(prompt.asked(state), prompt.choices).logprobs for model in (ours, theirs))
        assert np.allclose(one, other, atol=0.02)


def edited(folder: Path, to: Path, **changed: object) -> Path:
    shutil.copytree(folder, to)
    card = read_card(to)
    write_card(to, replace(card, **changed))  # pyright: ignore[reportArgumentType]
    return to


def test_what_cannot_be_shipped_is_one_line_and_nothing_is_written(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(folder: Path, says: str, name: str = "cartpole") -> None:
        with pytest.raises(OntickError, match=says) as caught:
            ship(folder, name, RECIPE, CARTPOLE, states(20), tmp_path / "out")
        assert len(str(caught.value).splitlines()) == 1
        assert not (tmp_path / "out").exists()

    tiny = tiny_pilots.write_lora(tmp_path / "tiny", f"gguf:{tiny_gguf.write_llama(tmp_path / 'base.gguf')}")
    refused(trained, "choose one of: cartpole, cartpole-talker, lunarlander", "acrobot")
    refused(trained, "flies cartpole, not lunarlander", "lunarlander")
    refused(tiny, "no adapter of smollm2")
    refused(tiny_pilots.write_mlp(tmp_path / "mlp"), "no adapter of smollm2")
    refused(edited(trained, tmp_path / "other", id="0" * 16), "not those that its card names")
    told = iter([[0] * 20, [0] * 19 + [1]])

    def decide(*_: object) -> list[int]:
        return next(told)

    monkeypatch.setattr(shipping, "_decisions", decide)
    refused(trained, "decides otherwise in 1 of 20")
    monkeypatch.setattr(shipping, "MOST_BYTES", 1000)
    refused(trained, r"MB in float16, over 0\.001 MB")


def test_a_package_without_them_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "SHIPPED_HOME", tmp_path / "nowhere")
    assert shipped_pilots() == {}
    for name in ("cartpole", "lunarlander"):
        with pytest.raises(OntickError, match=rf"lacks the shipped pilot {name}.*pilot:\./{name}"):
            find_pilot(f"pilot:{name}")


def test_the_id_is_of_the_rounded_weights(trained: Path, shipped: Path) -> None:
    card: PilotCard = read_card(shipped)
    assert card.id == weights_id([shipped / WEIGHTS]) != read_card(trained).id
