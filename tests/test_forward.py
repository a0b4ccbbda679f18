"""A fitted forward model: read back as it was written, rolled for one as for many, refused where it does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.cache import write_json
from ontick.errors import OntickError
from ontick.forward import find_forward_model
from ontick.forward.fitted import (
    CARD,
    WEIGHTS,
    Dynamics,
    dynamics_bytes,
    identity,
    read_dynamics,
    rows_of,
    weights_hash,
)
from ontick.tasks import find_task
from ontick.tasks.base import Task
from ontick.tasks.cartpole import CartPole
from worlds import CountingTask

CARTPOLE = find_task("cartpole")


def some_dynamics(task: Task, seed: int = 0, flags: tuple[int, ...] = ()) -> Dynamics:
    """Return a model of random numbers."""
    rng, features, rows = np.random.default_rng(seed), len(task.features), rows_of(task)
    flagged = np.isin(np.arange(features), flags)
    return Dynamics(
        offset=rng.normal(size=features),
        scale=rng.uniform(0.5, 2, features),
        reach=rng.uniform(0.01, 0.1, features),
        lowest=np.where(flagged, 0.0, -3.0),
        highest=np.where(flagged, 1.0, 3.0),
        flags=flagged,
        linear=(rng.normal(size=(features, features)), rng.normal(size=(rows, features))),
        layers=(
            (rng.normal(size=(features, 8)), rng.normal(size=(rows, 8))),
            (rng.normal(size=(8, features)), rng.normal(size=features)),
        ),
        legal=len(task.actions),
    )


def write_dynamics(folder: Path, task: Task, dynamics: Dynamics) -> Path:
    content = dynamics_bytes(dynamics)
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(content)
    write_json(folder / CARD, {**identity(task), "id": weights_hash(content)})
    return folder


@given(seed=st.integers(0, 1000), actions=st.lists(st.sampled_from((0, 1, 2)), max_size=12))
def test_one_is_rolled_as_many_are(seed: int, actions: list[int]) -> None:
    dynamics = some_dynamics(CARTPOLE, seed, flags=(3,))
    states = np.random.default_rng(seed).normal(size=(5, 4))
    many = states
    for action in actions:
        many = dynamics.step(many, np.full(5, dynamics.place_of(action)))
    alone = [dynamics(state, actions) for state in states]
    assert np.stack(alone) == pytest.approx(many, abs=1e-9)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4), st.integers(0, 2))
def test_no_roll_runs_away_and_flags_stay_flags(state: list[float], action: int) -> None:
    dynamics = some_dynamics(CARTPOLE, flags=(3,))
    observed = np.array(state, dtype=np.float32)
    assert dynamics(observed, []).tolist() == observed.tolist()
    foreseen = dynamics(observed, [action] * 50)
    assert foreseen.dtype == np.float32
    assert np.abs(foreseen).max() <= 3
    assert foreseen[3] in {0, 1}


def test_each_action_is_its_own_and_the_noop_beyond_them_too() -> None:
    dynamics = some_dynamics(CARTPOLE)
    after = [dynamics(np.zeros(4), [action]).tolist() for action in (0, 1, CARTPOLE.noop)]
    assert len({tuple(state) for state in after}) == 3
    acrobot = find_task("acrobot", str(Path(__file__).parents[1] / "docs" / "examples" / "acrobot.py"))
    assert (rows_of(CARTPOLE), rows_of(acrobot), rows_of(CountingTask())) == (3, 3, 4)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    dynamics = some_dynamics(CARTPOLE, flags=(2,))
    model = find_forward_model(CARTPOLE, write_dynamics(tmp_path / "d", CARTPOLE, dynamics))
    state = np.array([0.1, 0.2, 0.0, -0.3], dtype=np.float32)
    assert model(state, [0, 1, 2, 1]).tolist() == dynamics(state, [0, 1, 2, 1]).tolist()
    assert dynamics_bytes(read_dynamics(tmp_path / "d", CARTPOLE)) == dynamics_bytes(dynamics)


def test_without_a_folder_it_is_the_tasks_own(tmp_path: Path) -> None:
    state = np.array([0.1, 0.2, 0.0, -0.3])
    assert find_forward_model(CARTPOLE)(state, [1]).tolist() == CARTPOLE.predict(state, [1]).tolist()
    with pytest.raises(OntickError, match=r"ontick train counting dynamics --to DIR.*--dynamics DIR"):
        find_forward_model(CountingTask())


class Renamed(CartPole):
    actions: ClassVar = ("west", "east")


class OtherNoop(CartPole):
    noop: ClassVar = 0


def with_card(**changed: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        write_json(folder / CARD, {**json.loads((folder / CARD).read_text()), **changed})

    return change


def with_weights(content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / WEIGHTS).write_bytes(content)
        with_card(id=weights_hash(content))(folder)

    return change


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def with_card_text(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / CARD).write_text(text)

    return change


def untouched(folder: Path) -> None:
    pass


def cut_short(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-8])


GOOD = some_dynamics(CARTPOLE)


@pytest.mark.parametrize(
    ("damage", "task", "complaint"),
    [
        (without(CARD), CARTPOLE, "no forward model"),
        (without(WEIGHTS), CARTPOLE, "no forward model"),
        (with_card_text("["), CARTPOLE, "its card is damaged"),
        (with_card_text("[1]"), CARTPOLE, "its card is damaged"),
        (cut_short, CARTPOLE, "not the file that its card names"),
        (with_card(id="0"), CARTPOLE, "not the file that its card names"),
        (with_weights(b"nothing"), CARTPOLE, "not the file that its card names"),
        (with_weights(dynamics_bytes(replace(GOOD, layers=()))), CARTPOLE, "not the file that its card names"),
        (with_weights(dynamics_bytes(replace(GOOD, offset=np.zeros(3)))), CARTPOLE, "not the file that its card"),
        (with_weights(dynamics_bytes(replace(GOOD, scale=np.zeros(4)))), CARTPOLE, "not the file that its card"),
        (with_weights(dynamics_bytes(replace(GOOD, reach=GOOD.reach * np.nan))), CARTPOLE, "not the file that its"),
        (untouched, find_task("lunarlander"), "fitted to the task 'cartpole', not to 'lunarlander'"),
        (untouched, Renamed(), "fitted to the actions"),
        (untouched, OtherNoop(), "fitted to the noop 2, not to 0"),
    ],
)
def test_what_is_no_model_of_the_task_is_one_clear_line(
    damage: Callable[[Path], None], task: Task, complaint: str, tmp_path: Path
) -> None:
    folder = write_dynamics(tmp_path / "d", CARTPOLE, GOOD)
    damage(folder)
    with pytest.raises(OntickError, match=complaint) as caught:
        find_forward_model(task, folder)
    assert "\n" not in str(caught.value)
    assert f"ontick train {task.name} dynamics --to DIR" in str(caught.value)
