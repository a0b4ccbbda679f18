"""A pilot flies its own task, asked as in training, on seeds that it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tiny_gguf
import tiny_pilots
from ontick.contracts import ControllerContract, LanguageModelContract
from ontick.controllers.base import Controller, Observation
from ontick.controllers.catalog import Asking, make_controller
from ontick.controllers.chunks import planning
from ontick.controllers.llm import LanguageModelController
from ontick.controllers.mlp import Network, network_bytes
from ontick.errors import OntickError
from ontick.evaluation.episodes import Setup, prepare
from ontick.models.base import LanguageModel, ModelOptions, Reading
from ontick.pilots.card import read_card
from ontick.pilots.load import load_pilot
from ontick.prompts import ExamplesIn, Layout, PromptStyle
from ontick.tasks import find_task
from ontick.tasks.base import Task
from ontick.wording import Numbers

MODELS = {
    "llama.cpp": ModelOptions(quantisation="as-is", threads=1),
    "transformers": ModelOptions(backend="transformers", dtype="float32", device="cpu", threads=1),
}


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pilots")
    return tiny_pilots.write_lora(folder / "tiny", f"gguf:{tiny_gguf.write_llama(folder / 'base.gguf')}")


@pytest.mark.parametrize("backend", MODELS)
class TestPilot(ControllerContract):
    @pytest.fixture(autouse=True)
    def _use(self, backend: str, pilot: Path) -> None:
        self.word, self.model = f"pilot:{pilot}", MODELS[backend]

    def make_controller(self, task: Task) -> Controller:
        return make_controller(self.word, task, Asking(model=self.model))


class TestPilotAsAModel(LanguageModelContract):
    HAS_SOMETHING_TO_SAY = False

    @pytest.fixture(autouse=True)
    def _use(self, pilot: Path) -> None:
        self.pilot = pilot

    def make_model(self) -> LanguageModel:
        return load_pilot(self.pilot, read_card(self.pilot), MODELS["llama.cpp"])


def setup(pilot: Path, seed: int = 0, prompt: PromptStyle | None = None, episodes: int = 10) -> Setup:
    asking = Asking(prompt or PromptStyle(), model=MODELS["llama.cpp"])
    return Setup("cartpole", f"pilot:{pilot}", episodes=episodes, seed=seed, asking=asking)


def test_it_is_asked_as_in_training_and_the_record_says_so(pilot: Path) -> None:
    prepared = prepare(setup(pilot))
    assert isinstance(prepared.controller, LanguageModelController)
    assert prepared.controller.prompt.style == tiny_pilots.STYLE
    assert prepared.setup.as_json()["asking"]["prompt"] == read_card(pilot).prompt.__dict__
    assert prepared.controller.model.info.name == pilot.name
    prepare(setup(pilot, prompt=tiny_pilots.STYLE))


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (
            PromptStyle(numbers=Numbers.TWO),
            "numbers letter and is asked so, not with 2; leave --prompt.numbers out",
        ),
        (PromptStyle(examples=3), "--prompt.examples 0 "),
        (PromptStyle(examples_in=ExamplesIn.SYSTEM), "leave --prompt.examples-in out"),
        (PromptStyle(layout=Layout.COMPACT, features=("angle", "spin")), "leave --prompt.features out"),
    ],
)
def test_a_prompt_that_it_was_not_trained_with_is_refused(prompt: PromptStyle, says: str, pilot: Path) -> None:
    with pytest.raises(OntickError, match=says) as caught:
        prepare(setup(pilot, prompt=prompt))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("seed", [1_999_991, 2_000_000, 2_000_009])
def test_an_evaluation_on_seeds_of_its_training_is_refused(seed: int, pilot: Path) -> None:
    with pytest.raises(OntickError, match=r"trained on seed 200000\d, which proves nothing; use --seed 0$"):
        prepare(setup(pilot, seed))
    for free in (1_999_990, 2_000_010):
        prepare(setup(pilot, free))


def test_the_seed_that_is_named_instead_is_free(tmp_path: Path) -> None:
    folder = tiny_pilots.write_mlp(tmp_path / "p", seeds=((5, 9), (0, 2), (12, 12)))
    for episodes, free in ((1, 3), (2, 3), (3, 13)):
        with pytest.raises(OntickError, match=f"use --seed {free}$"):
            prepare(setup(folder, 0, episodes=episodes))


def test_a_pilot_of_another_task_is_refused(pilot: Path) -> None:
    with pytest.raises(OntickError, match="trained for cartpole, not for lunarlander; fly it on cartpole"):
        make_controller(f"pilot:{pilot}", find_task("lunarlander"))


@pytest.mark.parametrize("reading", Reading)
def test_a_pilot_that_learnt_one_action_is_not_asked_for_more(reading: Reading, pilot: Path) -> None:
    make_controller(
        f"pilot:{pilot}", find_task("cartpole"), Asking(reading=reading, model=MODELS["llama.cpp"], chunk=1)
    )
    with pytest.raises(OntickError, match=r"trained to answer with one action, not with 4; fly it with --chunk 1$"):
        make_controller(f"pilot:{pilot}", find_task("cartpole"), Asking(reading=reading, chunk=4))


def test_a_small_network_gives_plans(tmp_path: Path) -> None:
    task = find_task("cartpole")
    rng = np.random.default_rng(0)
    layers = ((rng.normal(size=(2, 4)).astype(np.float32), np.zeros(2, np.float32)),)
    network = Network(layers, np.zeros(4, np.float32), np.ones(4, np.float32))
    folder = tiny_pilots.write_mlp(tmp_path / "net", network_bytes(network, task))
    controller = planning(make_controller(f"pilot:{folder}", task, Asking(chunk=4)), task, 4)
    assert len(controller.decide(Observation(np.array([0.0, 0.0, 0.05, 0.1]), 0)).then) == 3


def test_a_name_is_looked_up_among_the_pilots(pilot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pilots").mkdir()
    (tmp_path / "pilots" / "mine").symlink_to(pilot)
    assert prepare(Setup("cartpole", "pilot:mine", asking=Asking(model=MODELS["llama.cpp"])))


def test_a_small_network_flies_by_numpy(tmp_path: Path) -> None:
    task = find_task("cartpole")
    right = Network(
        ((np.array([[0, 0, -1, 0], [0, 0, 1, 0]], np.float32), np.zeros(2, np.float32)),),
        np.zeros(4, np.float32),
        np.ones(4, np.float32),
    )
    folder = tiny_pilots.write_mlp(tmp_path / "net", network_bytes(right, task))
    controller = make_controller(f"pilot:{folder}", task)
    assert [controller.decide(Observation(np.array([0, 0, lean, 0]), 0)).action for lean in (-0.1, 0.1)] == [0, 1]
    (folder / "mlp.safetensors").write_bytes(b"others")
    for word in ("pilot", "mlp"):
        with pytest.raises(OntickError, match="not those that its card names"):
            make_controller(f"{word}:{folder}", task)


MISTAKES = {
    "": "write pilot:PATH",
    "nowhere": r"no pilot nowhere, neither here nor in pilots/.*ontick pilots",
    "./nowhere": "no pilot ./nowhere",
    "some/where/else": "no pilot some/where/else",
    "{tmp}": "it has no pilot.json",
    "{tmp}/damaged": r"pilot\.json",
}


@pytest.mark.parametrize("word", MISTAKES)
def test_a_word_that_names_no_pilot_is_one_line(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "pilot.json").write_text('{"kind": "mlp"}')
    with pytest.raises(OntickError, match=MISTAKES[word]) as caught:
        make_controller("pilot:" + word.format(tmp=tmp_path), find_task("cartpole"))
    assert len(str(caught.value).splitlines()) == 1
