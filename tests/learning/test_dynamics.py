"""Fitting a forward model: what is flown, what is learnt, how good it is said to be, and what the command leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from ontick.cli import main
from ontick.errors import OntickError
from ontick.forward import find_forward_model
from ontick.forward.fitted import Dynamics
from ontick.learning.dynamics.errors import Errors, errors_of, errors_of_own, good_to, mean_skill, windows_of, words
from ontick.learning.dynamics.fit import fit
from ontick.learning.dynamics.settings import DynamicsSettings
from ontick.learning.dynamics.traces import Trace, fly_traces
from ontick.learning.dynamics.train import DynamicsSetup, train_dynamics
from ontick.learning.seeds import DYNAMICS_SEED
from ontick.records import Json
from ontick.tasks import find_task
from ontick.tasks.base import Feature
from ontick.tasks.cartpole import ANGLE_LIMIT_RAD
from worlds import CountingTask

ROOT = Path(__file__).parents[2]
ACROBOT = str(ROOT / "docs" / "examples" / "acrobot.py")
CARTPOLE = find_task("cartpole")
QUICK = DynamicsSettings(episodes=20, hidden=(16,), steps=300, unrolled=30, ahead=4, batch=128)
QUICK_OPTIONS = [
    *("--dynamics.episodes", "20", "--dynamics.hidden", "16", "--dynamics.steps", "300"),
    *("--dynamics.unrolled", "30", "--dynamics.ahead", "4", "--dynamics.batch", "128"),
]
Array = npt.NDArray[np.float64]


def test_flights_show_every_action_the_noop_too_and_leave_the_end_out() -> None:
    traces = fly_traces(CARTPOLE, range(12))
    assert {action for trace in traces for action in trace.actions.tolist()} == {0, 1, 2}
    assert all(len(trace.states) == len(trace.actions) + 1 for trace in traces)
    for trace in traces:
        for row in range(0, len(trace.actions), 50):
            action: int = [0, 1, CARTPOLE.noop][int(trace.actions[row])]
            assert CARTPOLE.predict(trace.states[row], [action]) == pytest.approx(trace.states[row + 1], abs=1e-5)
    assert max(np.abs(trace.states[:, 2]).max() for trace in traces) <= ANGLE_LIMIT_RAD
    again = fly_traces(CARTPOLE, range(12))
    assert all(np.array_equal(one.states, other.states) for one, other in zip(traces, again, strict=True))


def test_a_task_without_a_teacher_is_flown_by_chance() -> None:
    traces = fly_traces(CountingTask(length=12), range(6))
    assert all(trace.states[:, 0].tolist() == list(range(12)) for trace in traces)
    assert len({tuple(trace.actions.tolist()) for trace in traces}) > 1
    assert {action for trace in traces for action in trace.actions.tolist()} == {0, 1, 2, 3}


def world(rng: np.random.Generator, ticks: int) -> Trace:
    """A cart pushed by two actions and left alone by a third, an angle that wraps, a flag, and what never changes."""
    x, v, angle = rng.uniform(-1, 1), rng.uniform(-0.5, 0.5), rng.uniform(0, 1)
    actions = np.repeat(rng.integers(3, size=ticks // 3 + 1), 3)[:ticks]
    states: list[list[float]] = []
    for action in (*actions.tolist(), 0):
        states.append([x, v, angle, float(x > 0), 7.0])
        x, angle = x + 0.05 * v, (angle + 0.02) % 1.0
        v = v + 0.1 * (-1, 1, 0)[action] - 0.2 * x
    return Trace(np.array(states), actions)


def test_it_learns_a_world_whose_angle_jumps_and_whose_flag_flips() -> None:
    rng = np.random.default_rng(0)
    learnt, held_out = ([world(rng, 60) for _ in range(n)] for n in (60, 15))
    dynamics = fit(learnt, 3, 2, DynamicsSettings(hidden=(32,), steps=1200, unrolled=150, ahead=6, batch=256))
    assert dynamics.flags.tolist() == [False, False, False, True, False]
    windows = windows_of(held_out)
    errors = errors_of(dynamics, windows)
    for found in (errors[0], errors[-1]):
        assert np.all(found.skill[:2] > 0.9)
        assert np.isnan(found.skill[4])
    smooth = np.all(np.diff(windows.states[..., 2], axis=1) > 0, axis=1)
    foreseen = np.stack([dynamics(state, [0]) for state in windows.states[smooth, 0]])
    assert np.median(np.abs(foreseen[:, 2] - windows.states[smooth, 1, 2])) < 2e-3, "jumps do not spoil the rest"
    near = np.abs(windows.states[:, 0, 0]) > 0.1
    said = np.stack([dynamics(state, [0])[3] for state in windows.states[near, 0]])
    assert np.mean(said == windows.states[near, 1, 3]) > 0.98
    assert np.abs(foreseen[:, 4] - 7).max() < 0.5


def test_errors_are_those_of_each_stretch_rolled_alone() -> None:
    rng = np.random.default_rng(1)
    traces = [world(rng, 25), world(rng, 30), world(rng, 5)]
    dynamics = fit(traces, 3, 2, DynamicsSettings(hidden=(8,), steps=20, unrolled=0))
    errors = errors_of(dynamics, windows_of(traces))
    assert [found.ticks for found in errors] == list(range(1, 21))
    for ticks in (1, 7, 20):
        off: list[Array] = []
        changes: list[Array] = []
        for trace in traces:
            for first in range(len(trace.actions) - 20 + 1):
                foreseen = dynamics(trace.states[first], trace.actions[first : first + ticks].tolist())
                off.append(np.abs(foreseen - trace.states[first + ticks]))
                changes.append(np.abs(trace.states[first] - trace.states[first + ticks]))
        assert errors[ticks - 1].error == pytest.approx(np.mean(off, axis=0))
        assert errors[ticks - 1].change == pytest.approx(np.mean(changes, axis=0))


def test_the_tasks_own_model_is_judged_the_same_way() -> None:
    windows = windows_of(fly_traces(CARTPOLE, range(4)), most=50)
    assert len(windows.states) <= 50
    for found in errors_of_own(CARTPOLE, windows, (1, 20)):
        assert np.all(found.skill > 0.999)


def test_flights_that_are_too_short_are_refused() -> None:
    with pytest.raises(OntickError, match="too short"):
        windows_of([])
    assert windows_of([Trace(np.zeros((4, 2)), np.zeros(3, dtype=np.int64))]).actions.shape == (1, 3)


class Ball(CountingTask):
    name: ClassVar = "ball"
    features: ClassVar = (Feature("x", "m", 2), Feature("v", "m/s", 2), Feature("leg", "", 0), Feature("fixed", "", 0))


def errors_with(**skills: list[float]) -> list[Errors]:
    """Return errors of these skills at 1, 2, … ticks; a feature without any never changes."""
    ticks = len(next(iter(skills.values())))
    rows = np.array([skills.get(feature.name, [np.nan] * ticks) for feature in Ball.features])
    return [
        Errors(tick + 1, np.nan_to_num(1 - rows[:, tick]), np.where(np.isnan(rows[:, tick]), 0.0, 1.0))
        for tick in range(ticks)
    ]


@pytest.mark.parametrize(
    ("skills", "good", "says"),
    [
        ({"x": [0.9, 0.9, 0.9], "v": [0.8, 0.7, 0.6]}, 3, ["good to at least 3 ticks (60 ms) ahead", "fixed never"]),
        ({"x": [0.9, 0.9, 0.9], "v": [0.8, 0.3, 0.0]}, 2, ["good to 2 ticks (40 ms) ahead", "v drifts beyond 1 tick"]),
        ({"x": [0.9, 0.9, 0.9], "v": [0.3, 0.4, 0.6]}, 3, ["good to at least 3"]),
        ({"x": [0.9, 0.9, 0.9], "v": [0.2, 0.2, 0.2]}, 3, ["v is hardly foreseen"]),
        ({"x": [0.1, 0.1, 0.1], "v": [0.2, 0.2, 0.2]}, 0, ["no good", "x, v are hardly foreseen"]),
        ({"x": [0.9, 0.9, 0.9], "leg": [-5.0, 0.1, 0.2]}, 3, ["good to at least 3", "leg is hardly foreseen"]),
        ({"x": [0.9, 0.9, 0.9], "v": [-50.0, -50.0, -50.0]}, 0, ["no good", "v is hardly foreseen"]),
    ],
)
def test_how_good_it_is_is_said_in_words(skills: Mapping[str, list[float]], good: int, says: list[str]) -> None:
    errors, flags = errors_with(**skills), np.array([False, False, True, False])
    assert good_to(errors, flags) == good
    said = "; ".join(words(Ball(), errors, flags))
    for words_said in says:
        assert words_said in said
    counted = [max(skills[name][0], -1) for name in ("x", "v") if name in skills]
    assert mean_skill(errors[0], flags) == pytest.approx(np.mean(counted))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dynamics") / "acrobot"
    train_dynamics(DynamicsSetup("acrobot", folder, QUICK, ACROBOT))
    return folder


def test_a_task_of_ones_own_gets_a_forward_model_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "deep" / "d"
    arguments = ["train", "acrobot", "dynamics", "--to", str(folder), "--task-module", ACROBOT, *QUICK_OPTIONS]
    assert main([*arguments, "--json"]) == 0
    said: Json = json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in folder.iterdir()) == ["dynamics.json", "dynamics.safetensors"]
    assert {**json.loads((folder / "dynamics.json").read_text()), "dynamics": str(folder)} == said
    assert said["task"] == "acrobot"
    assert said["seeds"][0][0] == DYNAMICS_SEED
    flown, held_out = (
        {seed for first, last in said[key] for seed in range(first, last + 1)} for key in ("seeds", "held_out_seeds")
    )
    assert flown | held_out == set(range(DYNAMICS_SEED, DYNAMICS_SEED + 20))
    assert len(held_out) == 4
    assert not flown & held_out
    assert [found["ticks"] for found in said["errors"]] == list(range(1, 21))
    assert said["own_errors"] == []
    assert said["good_to_ticks"] >= 1
    assert all(feature["skill"] > 0.2 for feature in said["errors"][0]["features"].values())
    assert main(arguments) == 2
    assert "holds something already" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_model_and_it_keeps_the_tasks_laws(fitted: Path, tmp_path: Path) -> None:
    task = find_task("acrobot", ACROBOT)
    train_dynamics(DynamicsSetup("acrobot", tmp_path / "d", QUICK, ACROBOT))
    assert (tmp_path / "d" / "dynamics.safetensors").read_bytes() == (fitted / "dynamics.safetensors").read_bytes()
    model = find_forward_model(task, fitted)
    assert isinstance(model, Dynamics)
    state, _ = task.make().reset(seed=0)
    actions = [0, 2, 1, 1, 2, 0, 0]
    assert model(state, []).tolist() == state.tolist()
    assert model(model(state, actions[:3]), actions[3:]) == pytest.approx(model(state, actions), abs=1e-4)


def test_a_person_reads_a_table_and_a_plain_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "cartpole", "dynamics", "--to", str(tmp_path / "d"), *QUICK_OPTIONS]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for word in ("angle", "own skill", "20 ticks", "nothing changes", "ood to"):
        assert word in said
    assert f"dynamics: {tmp_path}" in said.replace("\n", "")


def test_what_stops_midway_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> Dynamics:
        raise KeyboardInterrupt

    monkeypatch.setattr("ontick.learning.dynamics.fit.fit", stop)
    with pytest.raises(KeyboardInterrupt):
        train_dynamics(DynamicsSetup("cartpole", tmp_path / "d", QUICK))
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_is_one_clear_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(OntickError, match=r"lower --dynamics\.learning-rate"):
        fit([world(rng, 40)], 3, 2, DynamicsSettings(hidden=(8,), steps=200, unrolled=0, learning_rate=1e30))


def test_a_task_that_ends_at_once_is_one_clear_line(tmp_path: Path) -> None:
    module = tmp_path / "blind.py"
    module.write_text(
        "from ontick.tasks.cartpole import CartPole\n"
        "import gymnasium as gym\n"
        "class Blind(CartPole):\n"
        "    name = 'blind'\n"
        "    def make(self):\n"
        "        return gym.wrappers.TimeLimit(super().make(), 1)\n"
    )
    with pytest.raises(OntickError, match="too short"):
        train_dynamics(DynamicsSetup("blind", tmp_path / "d", QUICK, str(module)))
    assert not (tmp_path / "d").exists()


BAD: list[tuple[list[str], str]] = [
    (["--dynamics.episodes", "4"], "give 5 or more"),
    (["--dynamics.hidden", "0"], "--dynamics.hidden"),
    (["--dynamics.steps", "0"], "give 1 or more"),
    (["--dynamics.learning-rate", "nan"], "--dynamics.learning-rate"),
    (["--data", "somewhere"], "--data is for mlp or lora or full"),
    (["--from", "pilot"], "--from is for mlp or lora or full"),
    (["--balance", "none"], "--balance is for mlp or lora or full"),
    (["--mlp.steps", "5"], "--mlp is for mlp"),
    (["--lora.rank", "5"], "--lora is for lora or full"),
]


@pytest.mark.parametrize(("options", "says"), BAD)
def test_what_cannot_be_is_one_line(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "cartpole", "dynamics", "--to", str(tmp_path / "d"), *options]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_other_methods_refuse_what_is_for_forward_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for method in ("mlp", "lora", "full"):
        assert main(["train", "cartpole", method, "--to", str(tmp_path / "d"), "--dynamics.steps", "9"]) == 2
        assert "--dynamics is for dynamics" in capsys.readouterr().err.replace("\n", " ")
        assert main(["train", "cartpole", method, "--to", str(tmp_path / "d")]) == 2
        assert "--data" in capsys.readouterr().err
