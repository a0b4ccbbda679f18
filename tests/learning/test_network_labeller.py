"""A small network may say what is right: the same whoever asks and how many at once, and what it labelled says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny_pilots
from ontick.cli import main
from ontick.controllers.mlp import Encoding, Network, load_mlp, network_bytes
from ontick.dead_time import Aim, Awareness, DeadTime
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.learning.collect import find_labeller, label, sample_box
from ontick.learning.dagger import DaggerSetup, dagger
from ontick.learning.dataset import read_dataset
from ontick.learning.gather import CollectSetup, gather
from ontick.learning.learner import MlpLearner
from ontick.learning.network_labeller import NetworkLabeller, labeller_id
from ontick.pilots.card import WEIGHTS, Kind, read_card
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")


def network(seed: int = 0, sees: int = 4) -> Network:
    rng = np.random.default_rng(seed)
    layers = (
        (rng.normal(size=(8, sees)).astype(np.float32), np.zeros(8, np.float32)),
        (rng.normal(size=(2, 8)).astype(np.float32), np.zeros(2, np.float32)),
    )
    return Network(layers, np.zeros(sees, np.float32), np.ones(sees, np.float32))


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    settings = {"hidden": [8], "balance": "none", "episodes": 2, "looks": 1, "steps": 5, "batch": 16}
    return tiny_pilots.write_mlp(tmp_path / "net", network_bytes(network(), CARTPOLE), settings=settings)


def test_it_may_be_named_in_three_ways_and_is_the_same(pilot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pilot.parent)
    words = (f"mlp:{pilot}", f"mlp:{pilot / WEIGHTS[Kind.MLP]}", f"pilot:{pilot}", "pilot:./net")
    for labeller in (find_labeller(word, CARTPOLE) for word in words):
        assert isinstance(labeller, NetworkLabeller)
        assert labeller_id(labeller) == read_card(pilot).id
    assert labeller_id(find_labeller("teacher", CARTPOLE)) is None


def test_many_labels_are_those_of_one_state_at_a_time_and_of_the_network_in_flight(pilot: Path) -> None:
    labeller = find_labeller(f"mlp:{pilot}", CARTPOLE)
    demos = sample_box(CARTPOLE, labeller, 500, seed=3)
    assert demos.actions.tolist() == [labeller(state) for state in demos.states]
    assert demos.actions.tolist() == load_mlp(pilot, CARTPOLE).decide_many(demos.states)
    assert len(set(demos.actions.tolist())) == 2
    assert label(CARTPOLE, labeller, demos.states[:0]).shape == (0,)


def test_what_it_labelled_says_so_and_so_does_the_card_of_who_learns_from_it(pilot: Path, tmp_path: Path) -> None:
    setup = CollectSetup("cartpole", labeller=f"mlp:{pilot}", episodes=2, box=10)
    gather(setup, tmp_path / "d")
    dataset = read_dataset(tmp_path / "d", CARTPOLE)
    labels = find_labeller(setup.labeller, CARTPOLE)
    assert dataset.demonstrations.actions.tolist() == label(CARTPOLE, labels, dataset.demonstrations.states).tolist()
    assert dataset.card["made"]["labeller"] == setup.labeller
    assert dataset.card["made"]["labeller_id"] == dataset.origin["labeller"] == read_card(pilot).id
    gather(replace(setup, labeller="teacher"), tmp_path / "t")
    assert "labeller" not in read_dataset(tmp_path / "t", CARTPOLE).origin


def test_rounds_that_it_taught_say_so_and_do_not_go_on_with_another(pilot: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    teacher = tiny_pilots.write_mlp(tmp_path / "teaches", network_bytes(network(1), CARTPOLE))
    word = f"pilot:{teacher}"
    setup = DaggerSetup(
        "cartpole", pilot, tmp_path / "rounds", rounds=1, episodes=2, evaluation_episodes=2, labeller=word
    )
    result = dagger(setup, learner=MlpLearner(CARTPOLE, pilot))
    known = read_card(teacher).id
    assert (result["labeller"], result["labeller_id"]) == (word, known)
    assert json.loads((setup.to / "dagger.json").read_text())["labeller_id"] == known
    dataset = read_dataset(setup.to / "round-1" / "data", CARTPOLE)
    assert dataset.origin["labeller"] == known
    assert read_card(Path(result["rounds"][0]["pilot"])).data[0]["labeller"] == known
    (teacher / WEIGHTS[Kind.MLP]).write_bytes(network_bytes(network(2), CARTPOLE))
    tiny_pilots.finish(teacher, Kind.MLP, None)
    with pytest.raises(OntickError, match="begun with another labeller_id"):
        dagger(setup)


def test_one_that_cannot_label_is_one_line(pilot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    aware = Awareness(DeadTime.of("60", 1, LateRule.HOLD, Aim.ARRIVAL), 2, memory=False)
    sees = Encoding.of(CARTPOLE, aware).inputs
    late = tmp_path / "late.safetensors"
    late.write_bytes(network_bytes(network(sees=sees), CARTPOLE, aware))
    language_model = tmp_path / "words"
    language_model.mkdir()
    (language_model / "adapter_model.safetensors").write_bytes(b"weights")
    tiny_pilots.finish(language_model, Kind.LORA, None)
    wrong = {
        "mlp:": "names no small network; write mlp:PATH",
        "mlp:nowhere": "cannot read nowhere",
        "pilot:nowhere": "no pilot nowhere",
        f"mlp:{late}": "trained for late answers",
        f"pilot:{language_model}": "is a pilot of kind lora and no small network",
        f"mlp:{language_model}": "is a pilot of kind lora and no small network",
        "techer": "unknown labeller 'techer'; give teacher, mlp:PATH",
    }
    for word, says in wrong.items():
        to = tmp_path / "d"
        for command in (
            ["collect", "cartpole", "--to", str(to), "--labeller", word],
            ["dagger", "cartpole", str(pilot), "--to", str(to), "--labeller", word],
        ):
            assert main(command) == 2
            said = capsys.readouterr().err
            assert says in said
            assert len(said.splitlines()) == 1
        assert not to.exists()
    with pytest.raises(OntickError, match="flies task 'cartpole', not 'lunarlander'"):
        find_labeller(f"mlp:{pilot / WEIGHTS[Kind.MLP]}", find_task("lunarlander"))
