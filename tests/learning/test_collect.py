"""Collecting: the labels are the labeller's, what was done is what flew, and a failure writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from ontick.controllers.base import Controller
from ontick.controllers.scripted import Chance, Nobody, Teacher
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.learning.collect import Labeller, collect, find_labeller, sample_box, teacher_of
from ontick.learning.dataset import DEMONSTRATIONS, UNKNOWN, Demonstrations, new_folder, read_dataset
from ontick.learning.gather import CollectSetup, gather, read_together
from ontick.learning.noise import Noise
from ontick.loop import VirtualTime, fly
from ontick.tasks import find_task
from ontick.tasks.base import Environment, Task
from ontick.tasks.cartpole import CartPole

CARTPOLE = find_task("cartpole")
NOISES = ["none", "actions:0.1", "pushes:0.1"]


def it_flew(*_: object, **__: object) -> Demonstrations:
    pytest.fail("it flew")


def equal(a: Demonstrations, b: Demonstrations) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in Demonstrations.__dataclass_fields__)


class Many:
    """A teacher or chance that answers many states at once; chance from the state alone."""

    def __init__(self, task: Task, random: bool = False) -> None:
        self._teacher, self._actions, self._random = teacher_of(task), len(task.actions), random

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        if self._random:
            return [hash(state.tobytes()) % self._actions for state in states]
        return [self._teacher(state) for state in states]


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
@pytest.mark.parametrize("noise", NOISES)
def test_every_label_is_the_teachers_whoever_flies_and_whatever_disturbs(name: str, noise: str) -> None:
    task = find_task(name)
    teacher = teacher_of(task)
    for actor in (Chance(task), Many(task, random=True), Teacher(task)):
        demos = collect(task, actor, teacher, Noise.parse(noise), range(5, 8), source="x")
        assert [teacher(state) for state in demos.states] == demos.actions.tolist()
        assert demos.flown_seeds == {5, 6, 7}
        assert set(demos.acted.tolist()) <= set(range(len(task.actions)))


@pytest.mark.parametrize("noise", NOISES)
def test_flown_together_or_one_after_another_gives_the_same_data(noise: str) -> None:
    task, teacher = find_task("lunarlander"), teacher_of(find_task("lunarlander"))
    alone, together = (
        collect(task, actor, teacher, Noise.parse(noise), [9, 3, 4], source="x")
        for actor in (Teacher(task), Many(task))
    )
    assert equal(alone, together)


@pytest.mark.parametrize("noise", NOISES)
def test_what_was_done_there_leads_to_the_states_that_follow(noise: str) -> None:
    disturbance = Noise.parse(noise)
    demos = collect(CARTPOLE, Teacher(CARTPOLE), teacher_of(CARTPOLE), disturbance, [11], source="x")
    env = disturbance.make(CARTPOLE)
    state, _ = env.reset(seed=11)
    for tick, (seen, acted) in enumerate(zip(demos.states, demos.acted, strict=True)):
        assert demos.ticks[tick] == tick
        assert np.array_equal(seen, state)
        state, *_, ended, truncated, _ = env.step(int(acted))
        assert (ended or truncated) == (tick == len(demos) - 1)


def test_without_noise_the_teacher_does_what_it_wants_and_with_noise_now_and_then_not() -> None:
    def share(noise: str) -> float:
        demos = collect(CARTPOLE, Teacher(CARTPOLE), teacher_of(CARTPOLE), Noise.parse(noise), range(12), source="x")
        return float((demos.acted != demos.actions).mean())

    assert share("none") == share("pushes:0.05") == 0
    # A disturbance of 1 to 4 ticks, 2.5 on average, begins at every tenth undisturbed tick; half of its actions differ.
    assert share("actions:0.1") == pytest.approx(0.5 * 0.25 / 1.25, rel=0.35)


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
@pytest.mark.parametrize("noise", ["actions:0.1", "pushes:0.1"])
def test_noise_reaches_states_that_undisturbed_flights_do_not(name: str, noise: str) -> None:
    task = find_task(name)

    def widest(word: str) -> npt.NDArray[np.float32]:
        demos = collect(task, Teacher(task), teacher_of(task), Noise.parse(word), range(8), source="x")
        return np.abs(demos.states[demos.ticks > 50]).max(axis=0)

    assert (widest(noise) / widest("none")).max() > 1.2


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
def test_a_push_changes_speeds_and_nothing_else_and_comes_from_its_random_numbers_alone(name: str) -> None:
    task = find_task(name)

    def after(seed: int | None) -> npt.NDArray[np.float64]:
        env = task.make()
        env.reset(seed=2)
        state = [env.step(action)[0] for action in (0, 1) * 5][-1]
        if seed is not None:
            task.push(env, np.random.default_rng(seed))
        return np.array([*state, *env.step(task.noop)[0]])

    width = len(task.features)
    assert np.array_equal(after(1), after(1))
    assert np.array_equal(after(1)[:width], after(None)[:width])
    assert not np.array_equal(after(1)[width:], after(None)[width:])
    assert not np.array_equal(after(1), after(2))


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
def test_a_box_is_filled_evenly_and_labelled(name: str) -> None:
    task, teacher = find_task(name), teacher_of(find_task(name))
    demos = sample_box(task, teacher, 4000, seed=1)
    assert demos.states.shape == (4000, len(task.features))
    assert set(demos.seeds.tolist()) == set(demos.acted.tolist()) == set(demos.ticks.tolist()) == {UNKNOWN}
    for column, (low, high), feature in zip(demos.states.T, task.sampling_box, task.features, strict=True):
        assert low <= column.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < column.max() <= high
        assert column.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
        if not feature.decimals:
            assert set(column.tolist()) == {0, 1}
    assert all(teacher(state) == action for state, action in zip(demos.states[:200], demos.actions, strict=False))
    assert equal(demos, sample_box(task, teacher, 4000, seed=1))
    assert not equal(demos, sample_box(task, teacher, 4000, seed=2))


def test_a_task_without_a_box_is_sampled_within_its_features_limits() -> None:
    class Plain(CartPole):
        box: ClassVar = ()

    assert Plain().sampling_box == ((-2.4, 2.4), (-2.4, 2.4), (-0.24, 0.24), (-2.4, 2.4))


@pytest.mark.parametrize("box", [((0.0, 1.0),), ((0.0, 1.0),) * 3 + ((1.0, 0.0),), ((0.0, float("inf")),) * 4])
def test_a_box_that_does_not_fit_is_refused(box: tuple[tuple[float, float], ...]) -> None:
    class Odd(CartPole):
        pass

    Odd.box = box
    with pytest.raises(OntickError, match="box must give"):
        Odd().check()


def always(said: Any) -> Labeller:
    return lambda state: said


def raises(state: npt.NDArray[np.float32]) -> int:
    raise ValueError("odd state")


def writes(state: npt.NDArray[np.float32]) -> int:
    state[0] = 1
    return 0


@pytest.mark.parametrize(
    ("labeller", "says"),
    [
        (always(2), r"says 2 in the state x -?\d\.\d+, v .*no action of 'cartpole'; let it return 0 to 1"),
        (always(-1), "says -1"),
        (always(0.0), r"says 0\.0"),
        (always(None), "says None"),
        (always("left"), "says 'left'"),
        (raises, "the labeller failed in the state x .*ValueError: odd state"),
        (writes, "read-only"),
    ],
)
def test_a_labeller_that_cannot_be_used_is_one_clear_line_and_nothing_is_written(
    labeller: Labeller, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OntickError, match=says) as caught:
        collect(CARTPOLE, Teacher(CARTPOLE), labeller, Noise(), [0], source="x")
    assert "\n" not in str(caught.value)

    def find(word: str, task: Task) -> Labeller:
        return labeller

    monkeypatch.setattr("ontick.learning.gather.find_labeller", find)
    for asked in (CollectSetup("cartpole", episodes=1), CollectSetup("cartpole", episodes=0, box=3)):
        with pytest.raises(OntickError, match=says):
            gather(asked, tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_any_callable_may_label_a_numpy_integer_too(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import numpy as np\ndef right(state): return np.int64(1)\n"
        "class Left:\n    def __init__(self, task): self.answer = task.actions.index('left')\n"
        "    def __call__(self, state): return self.answer\n"
    )
    for name, action in (("right", 1), ("Left", 0)):
        labeller = find_labeller(f"python:{own}:{name}", CARTPOLE)
        assert set(sample_box(CARTPOLE, labeller, 5, 0).actions.tolist()) == {action}


def test_an_actor_that_never_answers_is_flown_by_the_late_rule() -> None:
    demos = collect(CARTPOLE, Nobody(), teacher_of(CARTPOLE), Noise(), [0], source="none")
    assert set(demos.acted.tolist()) == {CARTPOLE.initial_action}


def test_the_flights_are_those_of_the_loop() -> None:
    demos = collect(CARTPOLE, Chance(CARTPOLE), teacher_of(CARTPOLE), Noise(), [3, 4], source="random")
    env = CARTPOLE.make()
    flights = [
        fly(CARTPOLE, env, Chance(CARTPOLE), VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed) for seed in (3, 4)
    ]
    assert demos.acted.tolist() == [tick.action for flight in flights for tick in flight.ticks]


@pytest.mark.parametrize(
    "word", ["", "actions", "actions:", "actions:0", "pushes:1.5", "none:0.1", "pushes:nan", "x:1"]
)
def test_a_noise_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(OntickError, match=r"bad noise .* write none"):
        Noise.parse(word)


@pytest.mark.parametrize("word", ["none", "actions:0.1", "pushes:0.123456789", "actions:1.0"])
def test_a_noise_is_written_as_it_is_read(word: str) -> None:
    assert str(Noise.parse(word)) == word


def test_several_noises_and_a_box_make_one_dataset_whose_seeds_go_on(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    setup = CollectSetup("cartpole", noise=tuple(NOISES), episodes=3, seed=50, box=40)
    written = gather(setup, tmp_path / "d", lambda done, total, what: told.append((done, total)))
    read = read_dataset(tmp_path / "d", CARTPOLE)
    assert equal(read.demonstrations, written.demonstrations)
    assert read.card["seeds"] == [[50, 58]]
    assert list(read.card["per_source"]) == ["teacher", "teacher+actions:0.1", "teacher+pushes:0.1", "box"]
    assert read.card["per_source"]["box"] == 40
    assert read.card["made"]["noise"] == NOISES
    assert told == [(done, 9) for done in range(1, 10)]
    assert equal(gather(setup, tmp_path / "again").demonstrations, written.demonstrations)


class Unpushable(CartPole):
    def push(self, env: Environment, rng: np.random.Generator) -> None:
        Task.push(self, env, rng)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"episodes": 0}, "nothing is asked for"),
        ({"noise": ()}, "nothing is asked for"),
        ({"episodes": -1}, "cannot be negative"),
        ({"box": -1}, "cannot be negative"),
        ({"seed": -1}, "is no seed"),
        ({"noise": ("none", "none")}, "given twice"),
        ({"labeller": "nobody"}, "unknown labeller"),
        ({"labeller": "python:nowhere.py:f"}, "no such file"),
        ({"labeller": f"python:{__file__}:NOISES"}, "cannot be called"),
        ({"actor": "nobody"}, "unknown controller"),
        ({"noise": ("pushes:0.1",), "task": "unpushable"}, "cannot be pushed; use noise of actions"),
    ],
)
def test_a_mistake_in_what_is_asked_is_found_before_anything_is_flown(
    change: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str, module: str | None) -> Task:
        return Unpushable() if name == "unpushable" else find_task(name, module)

    monkeypatch.setattr("ontick.learning.gather.find_task", find)
    monkeypatch.setattr("ontick.learning.gather.collect", it_flew)
    with pytest.raises(OntickError, match=says):
        gather(replace(CollectSetup("cartpole"), **change), tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


class Tires:
    """Presses Ctrl-C in its second episode."""

    def __init__(self, error: BaseException) -> None:
        self._error, self._episodes = error, 0
        self._teacher = Teacher(CARTPOLE)

    def reset(self, seed: int) -> None:
        self._episodes += 1

    def decide(self, observation: Any) -> Any:
        if self._episodes > 1:
            raise self._error
        return self._teacher.decide(observation)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OntickError("gone")])
def test_ctrl_c_or_a_failure_leaves_no_half_dataset(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(word: str, task: Task, asking: object) -> Controller:
        return Tires(error)

    monkeypatch.setattr("ontick.learning.gather.make_controller", make)
    with pytest.raises(type(error)):
        gather(CollectSetup("cartpole", episodes=3), tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_holds_something_is_refused_before_anything_is_flown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("x")
    monkeypatch.setattr("ontick.learning.gather.collect", it_flew)
    for to in (tmp_path, tmp_path / "mine", tmp_path / "mine" / "below"):
        with pytest.raises(OntickError, match="choose another place"):
            gather(CollectSetup("cartpole", episodes=1), to)
        with pytest.raises(OntickError, match="choose another place"):
            write(to)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def write(to: Path, error: OSError | None = None) -> None:
    with new_folder(to) as partial:
        (partial / "some").write_text("x")
        if error:
            raise error


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="No space left"):
        write(tmp_path / "d", OSError(28, "No space left on device"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["empty", "empty/some"]


def test_datasets_read_together_are_one_after_another(tmp_path: Path) -> None:
    parts = [
        gather(CollectSetup("cartpole", episodes=1, seed=seed, box=seed), tmp_path / str(seed)) for seed in (10, 20)
    ]
    task, both = read_together([tmp_path / "10", tmp_path / "20"])
    assert task.name == "cartpole"
    assert len(both.demonstrations) == sum(len(part.demonstrations) for part in parts) == both.card["n"]
    assert both.card["per_source"]["box"] == 30
    assert both.card["seeds"] == [[10, 10], [20, 20]]
    assert both.hash not in {part.hash for part in parts}
    with pytest.raises(OntickError, match="hold the same data"):
        read_together([tmp_path / "10", tmp_path / "10"])
    with pytest.raises(OntickError, match="no dataset is given"):
        read_together([])
    (tmp_path / "10" / DEMONSTRATIONS).unlink()
    with pytest.raises(OntickError, match="is no dataset"):
        read_together([tmp_path / "10"])
