"""How do demonstrations become a Minari dataset, for offline reinforcement learning, and come back from one?

Minari keeps whole episodes: observations, the actions done, rewards, how it ended. Ours keep no rewards, so every
episode is flown again from its seed with the actions that were done there; each state must come out to the last bit.
What the labeller wanted, and the source, are in the infos.
"""

from __future__ import annotations

import importlib
import json
import os
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from ontick.errors import OntickError, blame
from ontick.evaluation.episodes import Progress, silent
from ontick.learning.dataset import UNKNOWN, Dataset, Demonstrations, demonstrations, joined, new_folder
from ontick.learning.gather import noise_of
from ontick.records import Json
from ontick.tasks.base import Environment, Task

_minari: Any = importlib.import_module("minari")  # it has no types
_EpisodeBuffer: Any = importlib.import_module("minari.data_collector").EpisodeBuffer

WANTED = "teacher_action"
"""The info that holds what the labeller wants, `UNKNOWN` in the last state, which nobody was asked about."""

SOURCE = "source"

ROOT = "MINARI_DATASETS_PATH"
"""Where Minari looks for its datasets."""


def export_minari(dataset: Dataset, task: Task, folder: Path, progress: Progress = silent) -> str:
    """Write a new folder of Minari datasets with this one in it; return its id there.

    Raises:
        OntickError: the folder holds something, some states belong to no whole episode, or an episode comes out
            differently when flown again.
    """
    name = f"{task.name}-v0"
    if dataset.dead_time is not None:
        raise OntickError(
            "what is wanted here is for the ticks where late answers act, and Minari keeps what is done in each state; "
            "export it as chat, or collect without --latency"
        )
    episodes = list(_episodes(dataset.demonstrations))
    buffers: list[Any] = []
    for number, episode in enumerate(episodes):
        buffers.append(_flown_again(task, episode))
        progress(number + 1, len(episodes), f"{len(episode)} states")
    space = task.make().observation_space
    with new_folder(folder) as partial, _root(partial):
        try:
            made = _minari.create_dataset_from_buffers(
                name,
                buffers,
                env=task.env_id if task.env_id in gym.registry else None,
                observation_space=_float32(space),
                action_space=gym.spaces.Discrete(len(task.actions)),
                algorithm_name=", ".join(dataset.card["per_source"]),
                description=f"{dataset.card['n']} states of {task.env_id}, labelled; the infos say what is wanted.",
                data_format="arrow",
            )
            made.storage.update_metadata({"ontick": json.dumps({"task": task.name, "hash": dataset.card["hash"]})})
        except OSError:
            raise
        except Exception as error:
            raise OntickError(f"Minari cannot keep this: {blame(error)}") from error
    return name


def import_minari(folder: Path, task: Task) -> Demonstrations:
    """Read the one Minari dataset in or below ``folder``; without our infos, the actions done are the labels.

    Raises:
        OntickError: there is none or several, it cannot be read, or it does not fit the task.
    """
    found = sorted(path.parent for path in folder.glob("**/data/metadata.json"))
    if len(found) != 1:
        names = ", ".join(str(path.parent) for path in found)
        many = f"{len(found)} Minari datasets ({names})" if found else "no Minari dataset"
        raise OntickError(f"{folder} holds {many}; give the folder of one")
    try:
        with _quiet():
            episodes = list(_minari.MinariDataset(found[0]).iterate_episodes())
        parts = [_demonstrations(episode, seed) for episode, seed in zip(episodes, _seeds(found[0]), strict=True)]
    except OSError as error:
        raise OntickError(f"cannot read {folder} ({error.strerror or error}); export it again") from error
    except Exception as error:
        raise OntickError(f"{folder} cannot be read as demonstrations: {blame(error)}") from error
    if not parts:
        raise OntickError(f"{folder} has no episodes; give another")
    demos = joined(parts)
    legal = (demos.actions >= 0) & (demos.actions < len(task.actions))
    if demos.states.shape[1] != len(task.features) or not legal.all():
        raise OntickError(f"{folder} does not fit task {task.name!r}: other features or actions; name its own task")
    return demos


def _episodes(demos: Demonstrations) -> Iterator[Demonstrations]:
    """Yield the episodes, in order.

    Raises:
        OntickError: a state belongs to none, or an episode does not begin at its reset.
    """
    sampled = int((demos.seeds == UNKNOWN).sum())
    if sampled:
        raise OntickError(
            f"{sampled} of its states were sampled and are of no episode, which Minari cannot keep; "
            "export it as chat, or collect without --box"
        )
    begins = np.flatnonzero(demos.ticks == 0)
    whole = len(begins) and begins[0] == 0
    for first, end in zip(begins, [*begins[1:], len(demos)], strict=True):
        episode = demos.where(np.arange(first, end))
        whole = whole and bool(np.all(np.diff(episode.ticks) == 1)) and len(np.unique(episode.seeds)) == 1
        if whole:
            yield episode
    if not whole:
        raise OntickError("some of its episodes are not whole, which Minari wants; export it as chat")


def _flown_again(task: Task, episode: Demonstrations) -> Any:
    """Return an episode with its rewards and its end.

    Raises:
        OntickError: it comes out differently.
    """
    seed = int(episode.seeds[0])
    source = str(episode.sources[0])
    noise = noise_of(source)
    env: Environment = task.make() if noise is None else noise.make(task)
    state, _ = env.reset(seed=seed)
    states, rewards, ended, truncated = [np.asarray(state, np.float32)], list[float](), list[bool](), list[bool]()
    for tick, acted in enumerate(episode.acted.tolist()):
        if (ended and (ended[-1] or truncated[-1])) or not np.array_equal(states[-1], episode.states[tick]):
            raise OntickError(
                f"the episode of seed {seed} ({source}) comes out differently from tick {tick} on when flown again, so "
                "its rewards are unknown; export it as chat, or collect it again on this machine"
            )
        state, reward, over, cut, _ = env.step(acted)
        states.append(np.asarray(state, np.float32))
        rewards.append(float(reward))
        ended.append(bool(over))
        truncated.append(bool(cut))
    return _EpisodeBuffer(
        seed=seed,
        observations=np.stack(states),
        actions=episode.acted,
        rewards=rewards,
        terminations=ended,
        truncations=truncated,
        infos={WANTED: [*episode.actions.tolist(), UNKNOWN], SOURCE: [*episode.sources.tolist(), source]},
    )


def _demonstrations(episode: Any, seed: int) -> Demonstrations:
    acted = np.asarray(episode.actions)
    infos: Json = episode.infos
    n = len(acted)
    wanted = np.asarray(infos.get(WANTED, acted))[:n]
    source = str(infos[SOURCE][0]) if SOURCE in infos else "minari"
    return demonstrations(
        np.asarray(episode.observations)[:n], wanted, source, acted=acted, seeds=seed, ticks=np.arange(n)
    )


def _seeds(data: Path) -> Iterator[int]:
    """Yield the seed of each episode, by its number; Minari's own episodes do not tell it."""
    with _quiet():
        storage = _minari.MinariDataset(data).storage
        for metadata in storage.get_episode_metadata(range(storage.total_episodes)):
            seed = metadata.get("seed")
            yield UNKNOWN if seed is None else int(seed)


def _float32(space: Any) -> Any:
    """Return a space of float32 vectors: what demonstrations hold."""
    if space.dtype == np.float32:
        return space
    return gym.spaces.Box(-np.inf, np.inf, space.shape, np.float32)


@contextmanager
def _root(folder: Path) -> Generator[None]:
    """Have Minari keep its datasets in ``folder`` while open."""
    before = os.environ.get(ROOT)
    os.environ[ROOT] = str(folder)
    try:
        with _quiet():
            yield
    finally:
        if before is None:
            del os.environ[ROOT]
        else:
            os.environ[ROOT] = before


@contextmanager
def _quiet() -> Generator[None]:
    """Keep Minari's advice on authors and licences off the terminal while open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
