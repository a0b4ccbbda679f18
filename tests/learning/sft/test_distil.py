"""What is learnt from a small network: how likely it finds each action in what the prompt tells, and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import students
from ontick.controllers.mlp import load_mlp
from ontick.errors import OntickError
from ontick.learning.fitting import MlpSettings
from ontick.learning.mlp import MlpSetup, train_mlp
from ontick.learning.sft.distil import Teaching
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.settings import DistilOptions, SftSettings, settings_of
from ontick.learning.sft.shared import WholePrompts
from ontick.learning.sft.tokens import Examples
from ontick.learning.sft.train import fine_tune
from ontick.learning.sft.trainer import LEARNT, Collator, answer_loss
from ontick.pilots.card import read_card
from ontick.prompts import Layout, Prompt, PromptStyle
from ontick.tasks import find_task
from ontick.wording import Numbers

CARTPOLE = find_task("cartpole")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("network") / "pilot"
    train_mlp(MlpSetup("cartpole", (students.dataset(),), to, MlpSettings(steps=60, looks=1, episodes=1)))
    return to


@pytest.mark.parametrize("numbers", Numbers)
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_odds_are_the_networks_in_what_the_prompt_tells(
    network: Path, numbers: Numbers, temperature: float
) -> None:
    states = students.taught_states(40).states
    prompt = Prompt(CARTPOLE, PromptStyle(layout=Layout.COMPACT, numbers=numbers))
    odds = Teaching(CARTPOLE, DistilOptions(f"mlp:{network}", temperature)).odds(prompt, states)
    flown = load_mlp(network, CARTPOLE)
    for state, row in zip(states, odds.tolist(), strict=True):
        left, right = flown.logits(prompt.as_read(state)[None].astype(np.float32))[0].tolist()
        assert row[1] == pytest.approx(1 / (1 + math.exp((left - right) / temperature)), abs=1e-5)
        assert sum(row) == pytest.approx(1, abs=1e-6)


def test_states_that_a_prompt_does_not_tell_apart_have_the_same_odds(network: Path) -> None:
    prompt = Prompt(CARTPOLE, PromptStyle(numbers=Numbers.LETTER))
    states = students.taught_states(300).states
    odds = Teaching(CARTPOLE, DistilOptions(f"mlp:{network}")).odds(prompt, states)
    said: dict[str, bytes] = {}
    for state, row in zip(states, odds, strict=True):
        assert said.setdefault(prompt.describe(state), row.tobytes()) == row.tobytes()


def test_the_loss_is_the_divergence_from_the_odds_and_with_certainty_the_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((3, 50), generator=generator)
    answers = np.array([[7, 8], [8, 7], [30, 2]])
    odds = np.array([[0.3, 0.7], [0.9, 0.1], [0.5, 0.5]], dtype=np.float32)
    plain = Examples([1], [np.array([2])] * 3, answers[:, 0], answers)

    def loss(examples: Examples) -> float:
        return float(answer_loss(logits, Collator(examples, WholePrompts())([0, 1, 2])[LEARNT]))

    said: list[list[float]] = torch.log_softmax(logits, -1).numpy().tolist()
    expected = 0.0
    for row in range(3):
        for column in range(2):
            p = float(odds[row, column])
            expected += p * (math.log(p) - said[row][int(answers[row, column])])
    assert loss(plain._replace(odds=odds)) == pytest.approx(expected / 3, abs=1e-5)
    certain = np.array([[1, 0], [1, 0], [1, 0]], dtype=np.float32)
    assert loss(plain._replace(odds=certain)) == pytest.approx(loss(plain), abs=1e-5)


def test_a_student_comes_closer_to_its_network_and_its_card_says_which(network: Path, tmp_path: Path) -> None:
    settings = replace(students.settings(steps=12, every=0), distil=DistilOptions(f"mlp:{network}", 0.5))
    card = fine_tune(CARTPOLE, Lesson(students.taught_states(500)), settings, tmp_path / "p")
    assert card.metrics["loss"] < card.metrics["loss_first"]
    assert card.settings["distil"] == {"teacher": f"mlp:{network}", "temperature": 0.5}
    assert settings_of(read_card(tmp_path / "p").settings) == replace(
        settings, threads=None, optimiser=settings.optimiser
    )
    assert fine_tune(CARTPOLE, Lesson(students.taught_states(500)), settings, tmp_path / "p") == card


def test_without_a_network_settings_and_cards_are_what_they_were() -> None:
    plain = SftSettings()
    assert "distil" not in plain.as_json()
    assert settings_of(plain.as_json()).distil == DistilOptions()


def test_who_cannot_teach_is_refused(network: Path, tmp_path: Path) -> None:
    lesson = Lesson(students.taught_states(50))
    adapter = tmp_path / "student"
    fine_tune(CARTPOLE, lesson, students.settings(steps=1, every=0), adapter)
    for teacher, message in (
        ("mlp:nowhere", "cannot read nowhere"),
        (f"pilot:{adapter}", "no small network"),
    ):
        settings = replace(students.settings(every=0), distil=DistilOptions(teacher))
        with pytest.raises(OntickError, match=message):
            fine_tune(CARTPOLE, lesson, settings, tmp_path / "p")
        assert not (tmp_path / "p").exists()
    with pytest.raises(OntickError, match=r"--distil\.temperature 0"):
        replace(students.settings(), distil=DistilOptions(str(network), 0)).check()


def test_a_brief_prompt_is_only_shorter() -> None:
    state = students.taught_states(1).states[0]
    style = PromptStyle(layout=Layout.COMPACT, numbers=Numbers.FINE)
    whole, brief = (Prompt(CARTPOLE, replace(style, brief=brief)).messages(state) for brief in (False, True))
    assert brief[1:] == whole[1:]
    assert brief[0].content == "Control cartpole."
    assert PromptStyle.from_json({**style.__dict__, "brief": True}).brief
