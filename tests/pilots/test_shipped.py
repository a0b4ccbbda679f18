"""The pilots in the package are whole, small, of this package's own base, say by which recipe, and they fly."""

from __future__ import annotations

from pathlib import Path

import pytest

from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.models.catalog import EMBEDDED
from ontick.models.weights import weights_digest
from ontick.pilots.card import WEIGHTS, Kind, PilotCard, read_card, weights_id
from ontick.pilots.find import SHIPPED, find_pilot
from ontick.pilots.ship import LEAST_AGREEMENT, MOST_BYTES
from ontick.pilots.weights import check_weights

EPISODES = 3


@pytest.fixture(params=SHIPPED)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(name: str) -> Path:
    return find_pilot(f"pilot:{name}")


@pytest.fixture
def card(folder: Path) -> PilotCard:
    return read_card(folder)


def test_it_is_the_pilot_that_its_card_names(name: str, folder: Path, card: PilotCard) -> None:
    check_weights(folder, card)
    assert card.id == weights_id([folder / WEIGHTS[Kind.LORA]])
    assert (card.name, card.task, card.kind) == (name, SHIPPED[name], Kind.LORA)
    assert {path.name for path in folder.iterdir()} == {
        "pilot.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "README.md",
    }


def test_it_is_small(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES


def test_it_was_tuned_from_the_embedded_model(card: PilotCard) -> None:
    assert card.base == EMBEDDED
    assert card.base_digest == weights_digest(EMBEDDED)


def test_its_card_says_what_made_it(card: PilotCard, root: Path) -> None:
    assert card.recipe is not None
    assert card.recipe["name"]
    assert card.recipe["command"]
    assert isinstance(card.recipe["seed"], int)
    assert len(card.recipe["trained"]) == 16
    agreement = card.recipe["agreement"]
    assert agreement["states"] >= 1000
    assert agreement["same"] >= LEAST_AGREEMENT * agreement["states"]
    assert str(root) not in str(card.as_json())


def test_the_seeds_of_evaluations_are_not_those_of_its_training(card: PilotCard) -> None:
    assert card.seeds
    assert not any(card.trained_on(seed) for seed in range(100_000))


def test_it_flies_with_time_frozen(name: str, tmp_path: Path) -> None:
    setup = Setup(SHIPPED[name], f"pilot:{name}", episodes=EPISODES, clock=ClockName.VIRTUAL)
    summary = evaluate(prepare(setup), tmp_path / "run").summary
    assert summary[summary["success"]] == EPISODES
