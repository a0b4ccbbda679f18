"""DAgger's laws: what it sees, what it adds, what it keeps, when it stops, and that a kill changes nothing."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import students
from ontick.alone import alone_in
from ontick.controllers.base import Observation
from ontick.controllers.catalog import make_controller
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.learning import dagger as module
from ontick.learning.collect import collect, teacher_of
from ontick.learning.dagger import BEST, ROUND, DaggerSetup, Labels, dagger
from ontick.learning.dataset import Dataset, read_dataset, write_dataset
from ontick.learning.fitting import MlpSettings
from ontick.learning.flock import ManyPolicy
from ontick.learning.learner import Start, learner_for
from ontick.learning.mlp import MlpSetup, train_mlp
from ontick.learning.noise import Noise
from ontick.learning.seeds import DAGGER_SEED, TRAINING_SEED
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.train import fine_tune
from ontick.pilots.card import read_card
from ontick.records import Json, State
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")
TEACHER = teacher_of(CARTPOLE)


class Teaches:
    """The teacher as a student."""

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        return [TEACHER(state) for state in states]


class Stubborn:
    """Always pushes to the right."""

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        return [1] * len(states)


class Scripted:
    """Learns nothing: pilot vN flies as ``policies`` says; notes what it was given."""

    def __init__(self, pilot: Path, *policies: ManyPolicy) -> None:
        self.lessons: list[tuple[int, npt.NDArray[np.float64]]] = []
        self._pilot = pilot
        self._policies = policies

    def learn(
        self,
        datasets: Sequence[Dataset],
        weights: npt.NDArray[np.float64],
        to: Path,
        *,
        parent: Path,
        start: Start,
        progress: Progress = silent,
    ) -> Path:
        self.lessons.append((sum(len(dataset.demonstrations) for dataset in datasets), weights))
        shutil.copytree(self._pilot, to)
        return to

    def policy(self, pilot: Path) -> ManyPolicy:
        version = 1 if pilot == self._pilot else int(pilot.name.removeprefix("v"))
        return self._policies[min(version, len(self._policies)) - 1]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty states of one flight."""
    folder = tmp_path_factory.mktemp("few") / "data"
    demos = collect(CARTPOLE, Teaches(), TEACHER, Noise(), [TRAINING_SEED], source="teacher")
    write_dataset(folder, CARTPOLE, demos.where(np.arange(60)), {"verb": "test"})
    return folder


@pytest.fixture(scope="module")
def bad(few: Path) -> Path:
    """A pilot that learnt from those alone."""
    folder = few.parent / "pilot"
    train_mlp(MlpSetup("cartpole", (few,), folder, MlpSettings(steps=200, looks=1, episodes=5)))
    return folder


@pytest.fixture
def setup(bad: Path, few: Path, tmp_path: Path) -> DaggerSetup:
    return DaggerSetup("cartpole", bad, tmp_path / "run", (few,), rounds=3, episodes=5, evaluation_episodes=10)


def without_times(result: Json) -> Json:
    """Take out the times: the ``train_s`` of cards is not in it, the flights' decision times are."""
    text = json.loads(json.dumps(result))
    for found in (text["begun"], *text["rounds"], text["best"]):
        found["evaluation"].pop("decision_ms", None)
        found["evaluation"].pop("tick_lateness_ms", None)
    return text


def test_a_pilot_that_learnt_from_few_states_learns_to_fly(setup: DaggerSetup) -> None:
    result = dagger(replace(setup, rounds=4))
    assert result["begun"]["evaluation"]["perfect"] == 0
    assert result["best"]["evaluation"]["perfect"] >= 9
    rates = [done["rate"] for done in result["rounds"]]
    assert rates[-1] < rates[0]
    cards = [read_card(Path(done["pilot"])) for done in (result["begun"], *result["rounds"])]
    assert [card.version for card in cards] == list(range(1, len(cards) + 1))
    assert all(child.parent == parent.id for parent, child in itertools.pairwise(cards))
    assert all(card.trained_on(DAGGER_SEED) for card in cards[1:])
    best = make_controller(f"mlp:{setup.to / BEST}", CARTPOLE)
    assert best.decide(Observation(np.array([0, 0, 0.1, 1]), 0)).action == 1
    assert (setup.to / BEST).resolve() == Path(result["best"]["pilot"]).resolve()


def test_two_do_not_work_in_one_folder(setup: DaggerSetup) -> None:
    with alone_in(setup.to), pytest.raises(OntickError, match="another ontick works in"):
        dagger(setup)
    assert not setup.to.exists()


def test_what_is_learnt_from_grows_by_exactly_the_visited_states(setup: DaggerSetup) -> None:
    learner = Scripted(setup.pilot, Stubborn())
    result = dagger(setup, learner=learner)
    expected = 60
    for done, (n, weights) in zip(result["rounds"], learner.lessons, strict=True):
        expected += done["states"]
        assert done["aggregate"] == n == len(weights) == expected
        dataset = read_dataset(setup.to / f"round-{done['round']}" / "data", CARTPOLE)
        assert len(dataset.demonstrations) == done["states"]
        assert dataset.demonstrations.acted.tolist() == [1] * done["states"]
        assert dataset.demonstrations.actions.tolist() == [TEACHER(state) for state in dataset.demonstrations.states]
        sources = dataset.card["per_source"]
        assert (
            sources[f"dagger-{done['round']}-corrected"]
            == done["disagreements"]
            == sum(dataset.demonstrations.actions == 0)
        )


def test_every_round_flies_seeds_of_its_own(setup: DaggerSetup) -> None:
    rounds = dagger(setup, learner=Scripted(setup.pilot, Stubborn()))["rounds"]
    assert [done["seeds"] for done in rounds] == [[DAGGER_SEED + 5 * n, DAGGER_SEED + 5 * n + 4] for n in range(2)]


def test_a_second_run_flies_other_seeds_than_its_pilot_has_flown(setup: DaggerSetup) -> None:
    first = dagger(replace(setup, rounds=1))
    again = replace(setup, rounds=1, pilot=Path(first["rounds"][0]["pilot"]), to=setup.to.with_name("more"))
    assert dagger(again)["rounds"][0]["seeds"][0] > first["rounds"][0]["seeds"][1]


def test_only_the_disagreements_are_learnt_from_if_asked(setup: DaggerSetup) -> None:
    learner = Scripted(setup.pilot, Stubborn())
    result = dagger(replace(setup, labels=Labels.DISAGREEMENTS, rounds=1), learner=learner)
    (done,) = result["rounds"]
    assert 0 < done["disagreements"] < done["states"]
    assert done["aggregate"] == 60 + done["disagreements"]
    assert set(read_dataset(setup.to / "round-1" / "data", CARTPOLE).demonstrations.actions.tolist()) == {0}


@pytest.mark.parametrize("labels", list(Labels))
def test_the_teacher_as_student_is_never_corrected(setup: DaggerSetup, labels: Labels) -> None:
    learner = Scripted(setup.pilot, Teaches())
    result = dagger(replace(setup, labels=labels), learner=learner)
    (done,) = result["rounds"]
    assert done["disagreements"] == done["rate"] == 0
    assert done["pilot"] is None
    assert result["stopped"].startswith("it agrees with the teacher")
    assert result["best"]["round"] == 0
    assert not learner.lessons
    assert dagger(replace(setup, labels=labels), learner=learner)["rounds"] == result["rounds"]


def test_with_beta_1_it_flies_as_the_teacher(setup: DaggerSetup) -> None:
    done = dagger(replace(setup, beta="1", rounds=1), learner=Scripted(setup.pilot, Stubborn()))["rounds"][0]
    flown = read_dataset(setup.to / "round-1" / "data", CARTPOLE).demonstrations
    taught = collect(CARTPOLE, Teaches(), TEACHER, Noise(), range(DAGGER_SEED, DAGGER_SEED + 5), source="x")
    assert np.array_equal(flown.states, taught.states)
    assert np.array_equal(flown.acted, taught.actions)
    assert done["disagreements"] == sum(taught.actions == 0)


def test_two_rounds_that_bring_nothing_end_it_and_the_best_is_kept(setup: DaggerSetup) -> None:
    learner = Scripted(setup.pilot, Stubborn(), Half(), Stubborn(), Stubborn(), Teaches())
    result = dagger(replace(setup, rounds=9), learner=learner)
    assert [done["better"] for done in result["rounds"]] == [True, False, False]
    assert result["stopped"] == "2 rounds in a row brought nothing"
    assert result["best"]["round"] == 1
    assert (setup.to / BEST).resolve() == (setup.to / "v2").resolve()


class Half:
    """Follows the pole alone: better than nothing, not perfect, and not as the teacher."""

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        return [int(state[2] > 0) for state in states]


@pytest.mark.parametrize("killed_at", ["collect", "learn", "summarise", "write_json"])
def test_a_killed_run_ends_as_one_that_was_not(
    setup: DaggerSetup, killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = replace(setup, rounds=2, beta="power:0.5")
    uninterrupted = dagger(setup)
    shutil.move(setup.to, setup.to.with_name("whole"))
    kills = itertools.count()

    def killed(real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(kills) in {1, 2}:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return call

    learner, _ = learner_for(CARTPOLE, setup.pilot)
    target: Any = learner if killed_at == "learn" else module
    with monkeypatch.context() as patch:
        patch.setattr(target, killed_at, killed(getattr(target, killed_at)))
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
                dagger(setup, learner=learner)
    assert without_times(dagger(setup)) == without_times(uninterrupted)
    for name in ("round-1/data/card.json", "round-2/data/card.json"):
        hashes = {json.loads((folder / name).read_text())["hash"] for folder in (setup.to, setup.to.with_name("whole"))}
        assert len(hashes) == 1


def test_a_finished_run_is_not_done_again_but_may_be_prolonged(
    setup: DaggerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = Scripted(setup.pilot, Stubborn(), Half(), Stubborn())
    first = dagger(replace(setup, rounds=1), learner=learner)
    longer = dagger(replace(setup, rounds=2), learner=learner)
    assert longer["rounds"][0] == first["rounds"][0]
    assert len(learner.lessons) == 2
    with monkeypatch.context() as patch:
        patch.setattr(module, "collect", None)
        patch.setattr(module, "summarise", None)
        assert dagger(replace(setup, rounds=2), learner=learner) == longer


def test_a_round_that_fails_leaves_the_rounds_before_it(setup: DaggerSetup) -> None:
    learner = Scripted(setup.pilot, Stubborn(), Half())
    dagger(replace(setup, rounds=1), learner=learner)
    before = {path: path.read_bytes() for path in setup.to.rglob("*.json")}
    wrong: dict[str, Any] = {"7": _seven, "None": _says_nothing, "ZeroDivisionError": _divides}
    for message, labeller in wrong.items():
        with pytest.raises(OntickError, match=message) as caught:
            dagger(setup, labeller=labeller, learner=learner)
        assert "\n" not in str(caught.value)
        assert {path: path.read_bytes() for path in setup.to.rglob("*.json")} == before
    assert dagger(setup, learner=learner)["rounds"][0]["round"] == 1


def _seven(state: State) -> int:
    return 7


def _says_nothing(state: State) -> None:
    return None


def _divides(state: State) -> int:
    return 1 // int(0 * state[0])


def test_what_does_not_fit_is_refused_before_anything_is_written(setup: DaggerSetup, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    demos = read_dataset(setup.data[0], CARTPOLE).demonstrations
    write_dataset(seen, CARTPOLE, replace(demos, seeds=demos.seeds * 0 + module.EVALUATION_SEED), {})
    for wrong, message in (
        (replace(setup, task="lunarlander"), "flies task 'cartpole', not 'lunarlander'"),
        (replace(setup, pilot=tmp_path), "is no pilot"),
        (replace(setup, data=(tmp_path,)), "is no dataset"),
        (replace(setup, data=(seen,)), "flown in training"),
        (replace(setup, labeller="techer"), "unknown labeller 'techer'"),
        (replace(setup, labeller="python:nowhere.py:f"), "no such file"),
        (replace(setup, rounds=0), "--rounds 0"),
        (replace(setup, episodes=0), "--episodes 0"),
        (replace(setup, evaluation_episodes=0), "--evaluation-episodes 0"),
        (replace(setup, weight=0.5), "--weight 0.5"),
        (replace(setup, steps=0), "--steps 0"),
        (replace(setup, recency=0.0), "--recency 0.0"),
        (replace(setup, beta="often"), "bad --beta 'often'"),
        (replace(setup, to=seen), "holds something already"),
    ):
        with pytest.raises(OntickError, match=message):
            dagger(wrong)
        assert not setup.to.exists()


def test_the_rounds_of_another_setup_are_not_gone_on_with(setup: DaggerSetup) -> None:
    learner = Scripted(setup.pilot, Stubborn(), Half())
    dagger(replace(setup, rounds=1), learner=learner)
    for other, what in (
        (replace(setup, episodes=6), "episodes"),
        (replace(setup, beta="0.5"), "beta"),
        (replace(setup, steps=7), "steps"),
        (replace(setup, data=()), "data"),
        (replace(setup, pilot=setup.to / "v2", start=Start.BASE), "start"),
    ):
        with pytest.raises(OntickError, match=f"begun with another {what}; choose another --to"):
            dagger(other, learner=learner)
    (setup.to / module.RECORD).write_text("{")
    with pytest.raises(OntickError, match="is damaged; choose another --to"):
        dagger(setup, learner=learner)


def test_learning_anew_and_learning_on_differ(setup: DaggerSetup) -> None:
    ids = {
        start: dagger(replace(setup, rounds=1, start=start, to=setup.to / start))["rounds"][0]["id"] for start in Start
    }
    assert ids[Start.BASE] != ids[Start.PARENT]
    assert (setup.to / Start.BASE / "round-1" / ROUND).exists()


def test_a_round_takes_as_many_steps_as_are_asked_for(setup: DaggerSetup) -> None:
    (done,) = dagger(replace(setup, rounds=1, steps=5))["rounds"]
    assert read_card(Path(done["pilot"])).settings["steps"] == 5 != read_card(setup.pilot).settings["steps"]


def test_a_language_model_learns_by_the_same_rounds(tmp_path: Path) -> None:
    first = fine_tune(CARTPOLE, Lesson(students.taught_states(300)), students.settings(every=0), tmp_path / "v1")
    setup = DaggerSetup(
        "cartpole", tmp_path / "v1", tmp_path / "run", (students.dataset(),), 1, 2, steps=3, evaluation_episodes=2
    )
    (done,) = dagger(setup)["rounds"]
    card = read_card(Path(done["pilot"]))
    assert (card.kind, card.version, card.parent) == (first.kind, 2, first.id)
    assert card.metrics["examples"] == done["aggregate"]
    assert card.metrics["steps"] == 3 < first.metrics["steps"]
    assert card.data[1]["hash"] == json.loads((setup.to / "round-1" / "data" / "card.json").read_text())["hash"]
    assert dagger(setup)["rounds"] == [done]
