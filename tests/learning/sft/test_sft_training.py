"""From demonstrations to a pilot: the same whatever happens in between, and whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import students
from ontick.alone import alone_in
from ontick.cli import main
from ontick.controllers.base import Observation
from ontick.controllers.catalog import Asking, make_controller
from ontick.errors import OntickError
from ontick.learning.dataset import joined, read_dataset
from ontick.learning.flock import fly_together
from ontick.learning.sft.learner import SftLearner, pilot_policy
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.settings import (
    LoraOptions,
    Method,
    OptimiserOptions,
    SelectionOptions,
    SftSettings,
    SftSetup,
    settings_of,
)
from ontick.learning.sft.tokens import draw_order
from ontick.learning.sft.train import fine_tune, train_language_model
from ontick.learning.sft.trainer import AnswerTrainer, score, traded
from ontick.models.base import ModelOptions
from ontick.pilots.card import Kind, PilotCard, read_card
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")
_safetensors: Any = safetensors.torch


def train(to: Path, settings: SftSettings, **more: Any) -> PilotCard:
    return fine_tune(CARTPOLE, Lesson(students.taught_states(300)), settings, to, **more)


def weights(pilot: Path) -> dict[str, torch.Tensor]:
    files = sorted(pilot.glob("*.safetensors"))
    return {name: tensor for file in files for name, tensor in _safetensors.load_file(file).items()}


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], atol=1e-5, rtol=1e-3)


def options(to: Path, *more: str) -> list[str]:
    words = f"train cartpole full --data {students.dataset()} --to {to} --base hf:{students.tiny_model()} --threads 1 "
    words += "--dtype float32 --device cpu --prompt.layout compact --prompt.numbers letter --selection.episodes 2 "
    return [*words.split(), *more]


def test_a_random_model_learns_to_fly_cartpole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = students.dataset(20_000)
    words = options(tmp_path / "pilot", "--data", str(data), "--optimiser.steps", "800", "--optimiser.batch", "64")
    words += "--optimiser.learning-rate 2e-3 --selection.every 200 --selection.episodes 10 --json".split()
    assert main(words) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["metrics"]["evaluation"]["perfect"] >= 9
    assert card["metrics"]["best_step"] <= card["metrics"]["steps"]
    policy = pilot_policy(CARTPOLE, tmp_path / "pilot", ModelOptions(dtype="float32", device="cpu"))
    flights = fly_together(CARTPOLE, policy, range(3_000_000, 3_000_010))
    assert sum(flight.episode.steps >= 500 for flight in flights) == card["metrics"]["evaluation"]["perfect"]


@pytest.mark.parametrize("method", Method)
def test_a_pilot_flies_by_its_word_as_it_was_trained(tmp_path: Path, method: Method) -> None:
    settings = students.settings(method, lora=LoraOptions(rank=4) if method is Method.LORA else LoraOptions())
    card = train(tmp_path / "p", settings)
    assert read_card(tmp_path / "p") == card
    assert card.kind is Kind(method.value)
    assert card.base == settings.base
    assert card.prompt == settings.prompt
    assert (3_000_000, 3_000_001) in card.seeds
    assert card.metrics["steps"] == 8
    assert len(card.metrics["evaluations"]) == 2
    assert settings_of(card.settings) == replace(settings, threads=None)
    options = ModelOptions(dtype="float32", device="cpu", threads=1)
    alone = make_controller(f"pilot:{tmp_path / 'p'}", CARTPOLE, Asking(model=options))
    alone.reset(0)
    states = students.taught_states(20, seed=5).states
    together = SftLearner(CARTPOLE, tmp_path / "p").policy(tmp_path / "p").decide_many(states)
    assert [alone.decide(Observation(state, 0)).action for state in states] == list(together)
    assert (tmp_path / "p" / "README.md").read_text().count("ontick") > 1
    for text in (path.read_text() for path in (tmp_path / "p").glob("*.json") if path.name != "tokenizer.json"):
        assert str(tmp_path) not in text


def test_the_best_checkpoint_is_kept_and_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[int, dict[str, torch.Tensor]] = {}

    def evaluate(self: Any, *_: Any, **__: Any) -> dict[str, float]:
        step = self.state.global_step
        kept[step] = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        rate = {2: 0.0, 4: 0.5, 6: 0.5, 8: 0.0}[step]
        found = {"eval_score": score(rate, 9.0, 2, step), "eval_success_rate": rate, "eval_reward_mean": 9.0}
        self.log(dict(found))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    monkeypatch.setattr(AnswerTrainer, "evaluate", evaluate)
    card = train(tmp_path / "p", students.settings(every=2))
    assert card.metrics["best_step"] == 6
    assert list(kept) == [2, 4, 6, 8]
    for name, tensor in weights(tmp_path / "p").items():
        torch.testing.assert_close(tensor, kept[6][name])
        assert not torch.equal(tensor, kept[8][name])


def test_evaluations_are_ordered_by_success_then_reward_then_step() -> None:
    ordered = [(0.0, -500.0, 9), (0.0, 9.0, 1), (0.0, 9.1, 0), (0.5, -9.0, 0), (0.5, 200.0, 0), (0.5, 200.0, 7)]
    scores = [score(rate, reward, 2, step) for rate, reward, step in ordered]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)


def test_a_clearly_better_flight_outweighs_a_hair_of_knowledge() -> None:
    worse, better = (score(1.0, reward, 20, 0) for reward in (190.5, 250.7))
    assert traded(worse, 1.0, 0.5) < traded(better, 1 / 1.0002, 0.5)
    assert traded(worse, 1.0, 0.5) > traded(better, 52 / 53, 0.5), "but no question"


def test_training_stops_when_it_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def perfect(*_: Any) -> dict[str, float]:
        return {"success_rate": 1.0, "reward_mean": 500.0}

    monkeypatch.setattr("ontick.learning.sft.trainer.summarise", perfect)
    card = train(tmp_path / "p", students.settings(steps=20, every=2))
    assert card.metrics["steps"] == card.metrics["best_step"] == 4


def test_parts_of_a_batch_teach_what_the_batch_does(tmp_path: Path) -> None:
    whole = students.settings(every=0)
    parts = replace(whole, optimiser=replace(whole.optimiser, accumulate=4))
    train(tmp_path / "whole", whole)
    train(tmp_path / "parts", parts)
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def wait_for(path: Path, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not path.exists():
        assert process.poll() is None, "it ended too soon"
        assert time.monotonic() < end
        time.sleep(0.02)


def test_after_a_kill_the_same_command_goes_on_to_the_same_pilot(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = "--optimiser.steps 60 --optimiser.batch 16 --selection.every 20".split()
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    process = subprocess.Popen([sys.executable, "-m", "ontick", *options(killed, *steps)], env=environment)
    wait_for(killed / "training" / "evaluation-40.json", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "pilot.json").exists()
    torn = killed / "training" / "checkpoint-40"  # as if the kill had come in the middle of its writing
    torn.mkdir(exist_ok=True)
    (torn / "trainer_state.json").write_text('{"epoch": 0.')
    assert main(options(killed, *steps, "--json")) == 0
    resumed = json.loads(capsys.readouterr().out)
    assert resumed["metrics"]["resumed"]
    assert main(options(straight, *steps, "--json")) == 0
    unbroken = json.loads(capsys.readouterr().out)
    assert not unbroken["metrics"]["resumed"]
    assert_same_weights(killed, straight)
    assert [e["step"] for e in resumed["metrics"]["evaluations"]] == [20, 40, 60]
    assert resumed["metrics"]["evaluations"] == unbroken["metrics"]["evaluations"]
    assert main(options(killed, *steps, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["made"] == resumed["made"], "it was made again"


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OntickError, match="holds something already"):
        train(tmp_path, students.settings())
    train(tmp_path / "p", students.settings())
    before = (tmp_path / "p" / "pilot.json").read_bytes()
    with pytest.raises(OntickError, match=r"begun with optimiser\.steps 8, not 9"):
        train(tmp_path / "p", students.settings(steps=9))
    assert (tmp_path / "p" / "pilot.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "p"}


def test_two_do_not_train_in_one_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path / "p"), pytest.raises(OntickError, match=f"another ontick works in {tmp_path / 'p'}; wait"):
        train(tmp_path / "p", students.settings())
    assert not (tmp_path / "p").exists()
    made = train(tmp_path / "p", students.settings())
    with alone_in(tmp_path / "p"):
        assert train(tmp_path / "p", students.settings()) == made, "what is made can be looked at"


@pytest.mark.parametrize("method", Method)
def test_a_pilot_is_trained_on_and_the_lineage_told(tmp_path: Path, method: Method) -> None:
    settings = students.settings(method, lora=LoraOptions(rank=4, alpha=4), every=0)
    first = train(tmp_path / "v1", settings)
    second = train(tmp_path / "v2", replace(settings, lora=LoraOptions(), seed=1), parent=tmp_path / "v1")
    assert (second.version, second.parent, second.base) == (2, first.id, first.base)
    assert second.metrics["loss_first"] < first.metrics["loss_first"] - 0.1
    if method is Method.LORA:
        assert second.settings["lora"]["rank"] == 4
    third = train(tmp_path / "v3", settings, parent=tmp_path / "v2", anew=True)
    assert (third.version, third.parent) == (3, second.id)
    assert third.metrics["loss_first"] == pytest.approx(first.metrics["loss_first"], rel=1e-3)


def test_the_learner_goes_on_as_the_pilot_learnt(tmp_path: Path) -> None:
    train(tmp_path / "v1", students.settings(every=0))
    data = read_dataset(students.dataset(), CARTPOLE)
    learner = SftLearner(CARTPOLE, tmp_path / "v1")
    learnt = np.ones(2 * len(data.demonstrations))
    made = learner.learn([data, data], learnt, tmp_path / "v2", parent=tmp_path / "v1", start="base")
    card = read_card(made)
    assert card.metrics["examples"] == 2 * len(data.demonstrations)
    assert card.settings["optimiser"]["steps"] == 8
    assert [entry["hash"] for entry in card.data] == [data.hash] * 2


def test_a_whole_model_is_not_trained_on_by_an_adapter(tmp_path: Path) -> None:
    train(tmp_path / "v1", students.settings(every=0))
    with pytest.raises(OntickError, match="is a whole model; train it on with: full"):
        train(tmp_path / "v2", students.settings(Method.LORA), parent=tmp_path / "v1")


def test_a_loss_that_is_no_number_ends_the_training_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = AnswerTrainer.compute_loss

    def compute_loss(self: Any, *given: Any, **named: Any) -> torch.Tensor:
        loss: torch.Tensor = plain(self, *given, **named)
        return loss * float("nan") if self.state.global_step == 6 else loss

    with monkeypatch.context() as patch:
        patch.setattr(AnswerTrainer, "compute_loss", compute_loss)
        with pytest.raises(OntickError, match="the loss is nan at step 7; the checkpoints before are whole"):
            train(tmp_path / "p", students.settings())
    assert (tmp_path / "p" / "training" / "checkpoint-4" / "trainer_state.json").exists()
    assert not (tmp_path / "p" / "pilot.json").exists()
    assert train(tmp_path / "p", students.settings()).metrics["resumed"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:659] . PytorchStreamWriter failed writing file data/5"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_line_and_what_was_made_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def save(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(AnswerTrainer, "_save_scaler", save)  # in the middle of a checkpoint
        with pytest.raises(OntickError, match=r"cannot write .*No space left on device.*make room"):
            train(tmp_path / "p", students.settings())
    card = train(tmp_path / "p", students.settings())
    assert not card.metrics["resumed"]
    assert_same_weights(tmp_path / "p", made_at_once(tmp_path))


def made_at_once(tmp_path: Path) -> Path:
    train(tmp_path / "at-once", students.settings())
    return tmp_path / "at-once"


def test_every_example_is_learnt_from_once_before_any_is_again() -> None:
    order = draw_order(10, 25, seed=3)
    assert sorted(order[:10]) == sorted(order[10:20]) == list(range(10))
    assert np.array_equal(order, draw_order(10, 25, seed=3))
    assert not np.array_equal(order, draw_order(10, 25, seed=4))


def test_weights_decide_how_often_an_example_is_drawn() -> None:
    drawn = np.bincount(draw_order(3, 30_000, seed=0, weights=np.array([0.0, 1.0, 2.0])), minlength=3)
    assert drawn[0] == 0
    assert drawn[2] / drawn[1] == pytest.approx(2, rel=0.1)


def test_balance_is_told_on_the_card(tmp_path: Path) -> None:
    demos = students.taught_states(400)
    few = demos.where(np.flatnonzero(demos.actions == 1)[:20])
    much = demos.where(demos.actions == 0)
    folder = tmp_path / "data"
    from ontick.learning.balance import Balance
    from ontick.learning.dataset import write_dataset

    write_dataset(folder, CARTPOLE, joined([few, much]), {})
    setup = SftSetup("cartpole", (folder,), tmp_path / "p", students.settings(every=0), balance=Balance.EQUAL)
    card = train_language_model(setup)
    assert card is not None
    assert card["settings"]["balance"] == "equal"
    with pytest.raises(OntickError, match="the same data twice"):
        train_language_model(replace(setup, data=(folder, folder), to=tmp_path / "q"))


def test_two_processes_teach_what_one_does(tmp_path: Path, root: Path) -> None:
    steps = "--optimiser.steps 6 --optimiser.batch 16 --selection.every 3".split()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    launch = "accelerate.commands.launch --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
    words = [*launch.split(), "--cpu", "--main_process_port", str(port), "-m", "ontick"]
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words, *options(tmp_path / "two", *steps, "--json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(printed) == 1
    assert main(options(tmp_path / "one", *steps)) == 0
    two, one = read_card(tmp_path / "two"), read_card(tmp_path / "one")
    assert two.metrics["loss_first"] == pytest.approx(one.metrics["loss_first"], rel=1e-4)
    assert two.metrics["evaluations"] == one.metrics["evaluations"]
    assert_same_weights(tmp_path / "two", tmp_path / "one")


def test_processes_that_do_not_divide_the_batch_are_told(tmp_path: Path) -> None:
    settings = students.settings(optimiser=OptimiserOptions(steps=2, batch=15, accumulate=2))
    with pytest.raises(OntickError, match="has no 2 equal parts"):
        train(tmp_path / "p", settings)


def test_logs_for_tensorboard_and_progress_with_the_loss(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []

    def tell(done: int, total: int, what: str) -> None:
        told.append((done, total, what))

    train(tmp_path / "p", students.settings(), progress=tell)
    assert [done for done, _, _ in told] == list(range(9))
    assert {total for _, total, _ in told} == {8}
    assert "loss" in told[-1][2]
    assert "success" in told[-1][2]
    assert list((tmp_path / "p" / "training" / "logs").glob("events.out.tfevents.*"))


def test_selection_without_flights_keeps_the_last_step(tmp_path: Path) -> None:
    card = train(tmp_path / "p", students.settings(selection=SelectionOptions(every=0)))
    assert card.metrics["evaluations"] == []
    assert card.metrics["best_step"] == 8
    assert card.seeds == ()
