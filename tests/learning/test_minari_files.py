"""Minari: whole episodes with the environment's own rewards, and back to the last bit."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ontick.errors import OntickError
from ontick.learning.dataset import DEMONSTRATIONS, Demonstrations, joined, read_dataset, write_dataset
from ontick.learning.exchange import Form, bring_in, export
from ontick.learning.gather import CollectSetup, gather
from ontick.tasks import find_task

minari: Any = pytest.importorskip("minari")
pytest.importorskip("pyarrow")


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
def test_every_episode_is_kept_and_reads_back_exactly(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = find_task(name)
    setup = CollectSetup(name, noise=("none", "actions:0.2", "pushes:0.05"), episodes=4)
    demos = gather(setup, tmp_path / "d").demonstrations
    result = export([tmp_path / "d"], tmp_path / "m", Form.MINARI)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "m"))
    kept = minari.load_dataset(result["dataset_id"])
    assert kept.total_episodes == 12
    assert kept.total_steps == len(demos) == result["n"]
    for episode in kept.iterate_episodes():
        n = len(episode.actions)
        assert len(episode.observations) == len(episode.infos["teacher_action"]) == n + 1
        ended = episode.terminations | episode.truncations
        assert ended.tolist() == [False] * (n - 1) + [True]
        if name == "cartpole":
            assert episode.rewards.tolist() == [1.0] * n
    bring_in(tmp_path / "m", name, tmp_path / "back", Form.MINARI)
    assert (tmp_path / "back" / DEMONSTRATIONS).read_bytes() == (tmp_path / "d" / DEMONSTRATIONS).read_bytes()
    assert read_dataset(tmp_path / "back", task).card["seeds"] == [[2_000_000, 2_000_011]]


def test_the_environment_can_be_made_again_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gather(CollectSetup("cartpole", episodes=1), tmp_path / "d")
    result = export([tmp_path / "d"], tmp_path / "m", Form.MINARI)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "m"))
    kept = minari.load_dataset(result["dataset_id"])
    assert kept.recover_environment().spec.id == "CartPole-v1"
    assert kept.observation_space.shape == (4,)
    assert kept.action_space.n == 2


CHANGES: list[tuple[Callable[[Demonstrations], Demonstrations], str]] = [
    (lambda demos: demos.where(np.arange(5, len(demos))), "not whole"),
    (lambda demos: demos.where(np.arange(0, len(demos), 2)), "not whole"),
    (lambda demos: replace(demos, seeds=demos.seeds + 1), "comes out differently from tick 0"),
    (lambda demos: replace(demos, acted=1 - demos.acted), "comes out differently from tick 1"),
    (lambda demos: joined([demos, replace(demos.where(np.arange(3)), seeds=np.full(3, -1))]), "of no episode"),
]


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_what_is_no_whole_episode_is_refused_and_nothing_is_written(
    change: Callable[[Demonstrations], Demonstrations], says: str, tmp_path: Path
) -> None:
    task = find_task("cartpole")
    demos = gather(CollectSetup("cartpole", episodes=2), tmp_path / "d").demonstrations
    write_dataset(tmp_path / "changed", task, change(demos), {})
    with pytest.raises(OntickError, match=says):
        export([tmp_path / "changed"], tmp_path / "m", Form.MINARI)
    assert {path.name for path in tmp_path.iterdir()} == {"d", "changed"}


def test_a_dataset_of_others_is_labelled_with_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    space: Any = importlib.import_module("gymnasium").spaces
    buffer: Any = importlib.import_module("minari.data_collector").EpisodeBuffer
    episode = buffer(
        observations=np.zeros((4, 4), np.float32),
        actions=np.array([0, 1, 1]),
        rewards=[1.0] * 3,
        terminations=[False] * 3,
        truncations=[False, False, True],
    )
    with pytest.warns(UserWarning, match="None"):
        minari.create_dataset_from_buffers(
            "others/cartpole-v3",
            [episode],
            observation_space=space.Box(-9, 9, (4,), np.float32),
            action_space=space.Discrete(2),
            data_format="arrow",
        )
    dataset = bring_in(tmp_path / "others", "cartpole", tmp_path / "back", Form.MINARI)
    assert dataset.demonstrations.actions.tolist() == dataset.demonstrations.acted.tolist() == [0, 1, 1]
    assert dataset.card["per_source"] == {"minari": 3}
    assert dataset.card["seeds"] == []
    with pytest.raises(OntickError, match="does not fit task 'lunarlander'"):
        bring_in(tmp_path / "others", "lunarlander", tmp_path / "no", Form.MINARI)


def test_a_folder_without_a_dataset_or_with_several_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="holds no Minari dataset"):
        bring_in(tmp_path, "cartpole", tmp_path / "back", Form.MINARI)
    gather(CollectSetup("cartpole", episodes=1), tmp_path / "d")
    for name in "ab":
        export([tmp_path / "d"], tmp_path / "m" / name, Form.MINARI)
    with pytest.raises(OntickError, match="holds 2 Minari datasets"):
        bring_in(tmp_path / "m", "cartpole", tmp_path / "back", Form.MINARI)
    (tmp_path / "m" / "a" / "cartpole-v0" / "data" / "metadata.json").write_text("{")
    with pytest.raises(OntickError, match="cannot be read"):
        bring_in(tmp_path / "m" / "a", "cartpole", tmp_path / "back", Form.MINARI)
    assert not (tmp_path / "back").exists()
