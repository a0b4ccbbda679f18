"""Pilots that are trained for their dead time: what they know, what they fly, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ontick.controllers.base import Controller
from ontick.controllers.catalog import make_controller
from ontick.controllers.mlp import MlpController, load_mlp
from ontick.controllers.pending import awareness_of
from ontick.controllers.prediction import Predict
from ontick.dead_time import UNDECIDED, Aim, DeadTime
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.late import LateRule
from ontick.latency import Constant, Lognormal
from ontick.learning.collect import collect, teacher_of
from ontick.learning.dagger import DaggerSetup, dagger
from ontick.learning.dataset import Dataset, dead_time_of, read_dataset
from ontick.learning.fitting import MlpSettings
from ontick.learning.flock import Air, fly_together
from ontick.learning.gather import CollectSetup, gather
from ontick.learning.hindsight import Asked
from ontick.learning.learner import Start
from ontick.learning.mlp import MlpSetup, train_mlp
from ontick.learning.noise import Noise
from ontick.loop import VirtualTime, fly
from ontick.pilots.card import read_card
from ontick.pilots.readme import readme
from ontick.records import Flight
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")
LATE = CollectSetup(
    "cartpole", latency="160", in_flight=12, late=LateRule.NOOP, noise=("none", "actions:0.1"), episodes=12
)
QUICK = MlpSettings(steps=1500, looks=1, episodes=5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("late") / "data"
    gather(LATE, folder)
    return folder


@pytest.fixture(scope="module")
def pilot(data: Path) -> Path:
    train_mlp(MlpSetup("cartpole", (data,), data.parent / "pilot", QUICK))
    return data.parent / "pilot"


@pytest.fixture(scope="module")
def plain(data: Path) -> Path:
    """An ordinary dataset, and beside it an ordinary pilot."""
    folder = data.parent / "plain"
    gather(CollectSetup("cartpole", episodes=4), folder)
    train_mlp(MlpSetup("cartpole", (folder,), data.parent / "ordinary", replace(QUICK, steps=600)))
    return folder


def flights(
    controller: Controller, latency_ms: float, seeds: Sequence[int] = range(5), sigma: float = 0
) -> list[Flight]:
    time = VirtualTime(Lognormal(latency_ms, sigma) if sigma else Constant(latency_ms))
    env = CARTPOLE.make()
    return [fly(CARTPOLE, env, controller, time, late=LateRule.NOOP, seed=seed, in_flight=12) for seed in seeds]


def setup_of(word: str) -> Setup:
    """Return a flight of one episode, as the pilot was trained."""
    return Setup("cartpole", word, 1, clock=ClockName.VIRTUAL, latency="160", in_flight=12, late=LateRule.NOOP)


def acted(flown: Sequence[Flight]) -> list[list[int]]:
    return [[tick.action for tick in flight.ticks] for flight in flown]


def test_it_flies_where_an_ordinary_pilot_falls(pilot: Path, plain: Path) -> None:
    aware, ordinary = load_mlp(pilot, CARTPOLE), load_mlp(plain.parent / "ordinary", CARTPOLE)
    assert sum(len(flight.ticks) == 500 for flight in flights(aware, 160)) >= 4
    assert sum(len(flight.ticks) == 500 for flight in flights(ordinary, 160)) == 0
    assert sum(len(flight.ticks) == 500 for flight in flights(ordinary, 20)) >= 3


def test_what_it_was_trained_for_is_on_its_card_and_in_its_file_and_on_its_page(pilot: Path, data: Path) -> None:
    card = read_card(pilot)
    made_for = read_dataset(data, CARTPOLE).dead_time
    assert card.aware is not None
    assert card.aware.dead_time == made_for == DeadTime("160", 12, LateRule.NOOP, Aim.TARGET, 160, 160)
    assert card.aware.pending == 7
    assert card.aware == awareness_of(load_mlp(pilot, CARTPOLE))
    assert card.as_json()["aware"]["in_flight"] == 12
    assert card.settings["sizes"] == [4 + 7 * (3 + 1), 64, 64, 2]
    assert "`--latency 160`: fly it with `--in-flight 12 --late noop`" in readme(card)


def test_alone_by_its_word_and_among_others_it_flies_alike(pilot: Path) -> None:
    alone = flights(load_mlp(pilot, CARTPOLE), 160)
    by_word = flights(make_controller(f"pilot:{pilot}", CARTPOLE), 160)
    aware = read_card(pilot).aware
    together = fly_together(CARTPOLE, load_mlp(pilot, CARTPOLE), range(5), aware=aware)
    assert acted(alone) == acted(by_word) == acted(together)
    setup = Setup(
        "cartpole", f"mlp:{pilot}", 5, clock=ClockName.VIRTUAL, latency="160", in_flight=12, late=LateRule.NOOP
    )
    prepared = prepare(setup)
    assert acted([prepared.fly(prepared.dressed(), seed) for seed in range(5)]) == acted(alone)


@pytest.mark.parametrize(("latency_ms", "sigma"), [(0, 0), (37, 0), (140, 0), (60, 0.2)])
def test_a_pilot_that_aims_flies_on_a_faster_line_as_on_its_own(pilot: Path, latency_ms: float, sigma: float) -> None:
    controller = load_mlp(pilot, CARTPOLE)
    assert acted(flights(controller, latency_ms, range(2), sigma)) == acted(flights(controller, 160, range(2)))


def test_without_memory_it_is_shown_its_answers_under_way_as_not_known(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_mlp(MlpSetup("cartpole", (data,), tmp_path / "p", replace(QUICK, steps=50, memory=False)))
    controller = load_mlp(tmp_path / "p", CARTPOLE)
    shown: list[np.ndarray[Any, Any]] = []
    logits = controller.logits

    def spy(rows: np.ndarray[Any, Any]) -> Any:
        shown.extend(rows)
        return logits(rows)

    monkeypatch.setattr(controller, "logits", spy)
    flights(controller, 160, [0])
    rows = read_dataset(data, CARTPOLE).demonstrations.rows(7)
    assert (shown[8][4:] == UNDECIDED).all()
    assert (rows[8][4:] == UNDECIDED).all()
    assert (shown[0][4:] == CARTPOLE.noop).all()


def test_learning_on_keeps_what_it_is_shown_and_takes_no_other_data(
    pilot: Path, data: Path, plain: Path, tmp_path: Path
) -> None:
    more = train_mlp(MlpSetup("cartpole", (data,), tmp_path / "on", replace(QUICK, steps=20), parent=pilot))
    assert more["version"] == 2
    assert read_card(tmp_path / "on").aware == read_card(pilot).aware
    for setup, says in (
        (MlpSetup("cartpole", (data, plain), tmp_path / "x", QUICK), "collected for latency 160.* and for no latency"),
        (MlpSetup("cartpole", (plain,), tmp_path / "x", QUICK, parent=pilot), "was trained for latency 160"),
        (MlpSetup("cartpole", (data,), tmp_path / "x", QUICK, parent=plain.parent / "ordinary"), "for no latency, and"),
    ):
        with pytest.raises(OntickError, match=says):
            train_mlp(setup)
    assert not (tmp_path / "x").exists()


def test_a_file_whose_dead_time_is_damaged_is_refused(pilot: Path, tmp_path: Path) -> None:
    content = (pilot / "mlp.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(content.replace(b"in_flight", b"in_flxght"))
    with pytest.raises(OntickError, match="does not say for which latency it was trained"):
        load_mlp(tmp_path / "x.safetensors", CARTPOLE)


def test_it_says_so_when_it_is_flown_otherwise(pilot: Path, tmp_path: Path) -> None:
    own = Setup(
        "cartpole", f"pilot:{pilot}", 1, clock=ClockName.VIRTUAL, latency="160", in_flight=12, late=LateRule.NOOP
    )
    assert evaluate(prepare(own), tmp_path / "own").remarks == ()
    other = replace(own, latency="300", in_flight=3, late=LateRule.HOLD)
    found = evaluate(prepare(other), tmp_path / "other").as_json()["remarks"]
    assert found == [
        "it was trained under --late noop, not hold",
        "it was trained with --in-flight 12, not 3",
        "it aims its answers 160 ms ahead, and they took up to 300 ms",
    ]
    with pytest.raises(OntickError, match="foresees itself; leave --predict out"):
        prepare(replace(own, predict=Predict.TARGET))
    with pytest.raises(OntickError, match="fly it with --chunk 1"):
        prepare(replace(own, asking=replace(own.asking, chunk=3)))


def test_a_student_is_taught_by_what_it_was_shown(pilot: Path) -> None:
    student, aware = load_mlp(pilot, CARTPOLE), read_card(pilot).aware
    assert aware is not None
    demos = collect(
        CARTPOLE,
        student,
        teacher_of(CARTPOLE),
        Noise(),
        [11, 12],
        source="x",
        dead_time=aware.dead_time,
        asked=Asked.START,
        aware=aware,
    )
    said = student.decide_many(demos.rows(aware.pending, memory=True))
    flown = acted(flights(load_mlp(pilot, CARTPOLE), 160, [11, 12]))
    landed = demos.ticks + (demos.pending >= 0).sum(axis=1)
    places = zip(demos.seeds.tolist(), landed.tolist(), strict=True)
    assert list(said) == [flown[seed - 11][tick] for seed, tick in places]


def test_the_student_flies_under_its_latency_in_every_round(pilot: Path, data: Path, tmp_path: Path) -> None:
    setup = DaggerSetup("cartpole", pilot, tmp_path / "run", (data,), rounds=1, episodes=3, evaluation_episodes=4)
    result = dagger(setup)
    (done,) = result["rounds"]
    dataset = read_dataset(tmp_path / "run" / "round-1" / "data", CARTPOLE)
    aware = read_card(pilot).aware
    assert aware is not None
    assert dataset.dead_time == aware.dead_time
    assert done["states"] == len(dataset.demonstrations)
    assert read_card(Path(done["pilot"])).aware == aware
    air = Air.of(aware.dead_time)
    seeds = range(3_500_000, 3_500_004)
    flown = [air.fly(CARTPOLE, CARTPOLE.make(), load_mlp(pilot, CARTPOLE), seed).episode.steps for seed in seeds]
    assert result["begun"]["evaluation"]["reward_mean"] == np.mean(flown)
    shutil.rmtree(tmp_path / "run" / done["pilot"].rpartition("/")[2])
    (tmp_path / "run" / "round-1" / "round.json").unlink()
    again = dagger(setup)["rounds"]
    assert [part["id"] for part in again] == [done["id"]]
    assert dagger(replace(setup, latency="160", in_flight=12, late=LateRule.NOOP))["rounds"] == again


def test_an_ordinary_pilot_may_begin_and_learns_anew_to_be_late(plain: Path, data: Path, tmp_path: Path) -> None:
    ordinary = plain.parent / "ordinary"
    setup = DaggerSetup(
        "cartpole",
        ordinary,
        tmp_path / "run",
        (data,),
        rounds=1,
        episodes=3,
        start=Start.BASE,
        latency="160",
        in_flight=12,
        late=LateRule.NOOP,
        evaluation_episodes=4,
    )
    result = dagger(setup)
    assert result["begun"]["evaluation"]["perfect"] == 0
    assert result["best"]["round"] == 1
    aware = read_card(Path(result["best"]["pilot"])).aware
    assert aware is not None
    assert aware.dead_time == read_dataset(data, CARTPOLE).dead_time


def test_what_cannot_be_learnt_for_a_latency_is_refused_before_anything_flies(
    pilot: Path, data: Path, plain: Path, tmp_path: Path
) -> None:
    setup = DaggerSetup("cartpole", pilot, tmp_path / "run", (data,))
    late = replace(setup, latency="160", in_flight=12, late=LateRule.NOOP)
    for wrong, says in (
        (replace(setup, beta="0.5"), "--beta lets the teacher act, who would be late"),
        (replace(setup, in_flight=4), "flies as it was trained: latency 160"),
        (replace(setup, data=(plain,)), "is to fly for latency 160.*collected for no latency"),
        (replace(late, in_flight=3), "is to fly for latency 160, 3 in flight"),
        (replace(late, pilot=plain.parent / "ordinary"), "add --start base"),
        (replace(late, latency="measured"), "tells only in flight"),
    ):
        with pytest.raises(OntickError, match=says):
            dagger(wrong)
        assert not setup.to.exists()


def test_one_dead_time_is_learnt_for_at_a_time(data: Path, plain: Path) -> None:
    late, none = read_dataset(data, CARTPOLE), read_dataset(plain, CARTPOLE)
    other = Dataset(late.demonstrations, late.card | {"dead_time": late.card["dead_time"] | {"in_flight": 3}})
    assert dead_time_of([none, none]) is None
    assert dead_time_of([late, late]) == late.dead_time
    for mixed in ([late, none], [none, late], [late, other]):
        with pytest.raises(OntickError, match="learn from one kind"):
            dead_time_of(mixed)


def test_shown_states_alone_it_answers_as_if_nothing_were_pending(pilot: Path) -> None:
    controller = load_mlp(pilot, CARTPOLE)
    assert isinstance(controller, MlpController)
    states = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    rows = np.concatenate([states, np.full((9, 7), -1)], axis=1)
    assert np.array_equal(controller.logits(states), controller.logits(rows))
