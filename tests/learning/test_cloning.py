"""Cloning small networks: the best is kept, the same seed gives the same pilot, a failure leaves nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ontick.controllers.mlp import load_mlp
from ontick.errors import OntickError
from ontick.evaluation.summary import summarise
from ontick.learning import mlp
from ontick.learning.balance import Balance
from ontick.learning.collect import sample_box, teacher_of
from ontick.learning.dataset import demonstrations, write_dataset
from ontick.learning.fitting import MlpSettings, settings_of
from ontick.learning.flock import fly_together
from ontick.learning.mlp import MlpSetup, train_mlp
from ontick.learning.seeds import SELECTION_SEED
from ontick.pilots.card import WEIGHTS, Kind, read_card, weights_id
from ontick.records import Json
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")
QUICK = MlpSettings(steps=300, episodes=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "box"
    write_dataset(folder, CARTPOLE, sample_box(CARTPOLE, teacher_of(CARTPOLE), 5000, 0), {"verb": "test"})
    return folder


def test_from_labelled_states_to_a_perfect_pilot(data: Path, tmp_path: Path) -> None:
    told: list[int] = []
    setup = MlpSetup("cartpole", (data,), tmp_path / "p", MlpSettings(steps=1000, episodes=10))
    result = train_mlp(setup, lambda done, total, what: told.append(done))
    assert told == [333, 667, 1000]
    card = read_card(tmp_path / "p")
    assert (card.kind, card.version, card.parent) == (Kind.MLP, 1, None)
    assert result["parameters"] == card.metrics["parameters"] == 114
    assert card.id == result["id"] == weights_id([tmp_path / "p" / WEIGHTS[Kind.MLP]])
    assert card.data[0]["hash"] == json.loads((data / "card.json").read_text())["hash"]
    assert card.trained_on(SELECTION_SEED)
    assert not card.trained_on(0)
    flown = summarise(CARTPOLE, fly_together(CARTPOLE, load_mlp(tmp_path / "p", CARTPOLE), range(10)))
    assert flown["perfect"] == 10


def test_the_same_seed_gives_the_same_pilot_and_another_seed_another(data: Path, tmp_path: Path) -> None:
    setups = [MlpSetup("cartpole", (data,), tmp_path / str(n), replace(QUICK, seed=n // 2)) for n in range(3)]
    one, other, third = (train_mlp(setup) for setup in setups)
    assert one["id"] == other["id"] != third["id"]
    assert one["looks"] == other["looks"]


def test_the_best_look_is_kept_and_not_the_last(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standings = iter([1.0, 3.0, 2.0])

    def judged(*_: object) -> Json:
        return {"n": 5, "perfect": 1, "success": "perfect", "success_rate": next(standings), "reward_mean": 0.0}

    monkeypatch.setattr(mlp, "summarise", judged)
    result = train_mlp(MlpSetup("cartpole", (data,), tmp_path / "p", QUICK))
    assert [look["success_rate"] for look in result["looks"]] == [1, 3, 2]
    assert result["steps"] == result["looks"][1]["step"] == 200
    assert result["evaluation"]["success_rate"] == 3


def test_a_child_goes_on_from_its_parents_weights(data: Path, tmp_path: Path) -> None:
    first = train_mlp(MlpSetup("cartpole", (data,), tmp_path / "a", MlpSettings(steps=1000, looks=1, episodes=1)))
    setup = MlpSetup(
        "cartpole", (data,), tmp_path / "b", MlpSettings(steps=20, looks=1, episodes=1), parent=tmp_path / "a"
    )
    child = train_mlp(setup)
    assert (child["version"], child["parent"]) == (2, first["id"])
    assert child["loss"] < 0.3 < train_mlp(replace(setup, parent=None, to=tmp_path / "c"))["loss"]
    with pytest.raises(OntickError, match=r"is a network of 4-16-2; leave --mlp\.hidden out"):
        train_mlp(replace(setup, settings=replace(setup.settings, hidden=(8,)), to=tmp_path / "d"))
    a, b = (load_mlp(tmp_path / name, CARTPOLE).network for name in "ab")
    assert np.array_equal(a.scale, b.scale)


def test_settings_are_the_cards_and_back(data: Path, tmp_path: Path) -> None:
    settings = MlpSettings(hidden=(8, 8), steps=10, looks=1, episodes=1, weight_decay=0.5)
    train_mlp(MlpSetup("cartpole", (data,), tmp_path / "p", settings, Balance.SQRT))
    card = read_card(tmp_path / "p")
    assert settings_of(card.settings) == settings
    assert card.settings["balance"] == "sqrt"
    assert card.settings["sizes"] == [4, 8, 8, 2]


def test_what_never_changes_does_not_disturb(tmp_path: Path) -> None:
    states = np.random.default_rng(0).normal(size=(100, 4))
    states[:, 1] = 0.5
    write_dataset(tmp_path / "d", CARTPOLE, demonstrations(states, states[:, 2] > 0, "x"), {})
    train_mlp(MlpSetup("cartpole", (tmp_path / "d",), tmp_path / "p", QUICK))
    assert load_mlp(tmp_path / "p", CARTPOLE).network.scale[1] == 1


def test_a_failure_is_one_line_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    setup = MlpSetup("cartpole", (data,), tmp_path / "p", QUICK)
    rates = MlpSettings(steps=60, episodes=1, learning_rate=1e36, weight_decay=0.0)
    flown = tmp_path / "flown"
    write_dataset(flown, CARTPOLE, demonstrations(np.zeros((3, 4)), [0, 1, 0], "x", seeds=SELECTION_SEED + 1), {})
    for wrong, message in (
        (replace(setup, settings=rates), "the loss is nan by step .*; lower --mlp.learning-rate"),
        (replace(setup, data=()), "nothing to learn from; give --data"),
        (replace(setup, data=(tmp_path / "nowhere",)), "is no dataset"),
        (replace(setup, task="lunarlander"), "of task 'cartpole', not of 'lunarlander'"),
        (replace(setup, data=(flown,)), "flown in training"),
        (replace(setup, parent=data), "is no pilot"),
        (replace(setup, settings=MlpSettings(steps=0)), "--mlp.steps 0"),
        (replace(setup, settings=MlpSettings(hidden=(0,))), "--mlp.hidden"),
        (replace(setup, settings=MlpSettings(looks=9, steps=5)), "--mlp.looks 9"),
        (replace(setup, settings=MlpSettings(learning_rate=float("nan"))), "--mlp.learning-rate"),
        (replace(setup, settings=MlpSettings(weight_decay=-1)), "--mlp.weight-decay"),
        (replace(setup, settings=MlpSettings(seed=-1)), "--mlp.seed -1"),
    ):
        with pytest.raises(OntickError, match=message):
            train_mlp(wrong)
        assert [path.name for path in tmp_path.iterdir()] == ["flown"]


def test_a_pilot_is_never_written_over(data: Path, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "x").write_text("mine")
    with pytest.raises(OntickError, match="holds something already"):
        train_mlp(MlpSetup("cartpole", (data,), tmp_path / "p", QUICK))
