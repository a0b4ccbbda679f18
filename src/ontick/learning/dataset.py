"""What is learnt from? States and what a teacher wants there, with where each came from; a folder with a card.

A dataset's folder holds ``demonstrations.jsonl``, a line for each state, and ``card.json``: counts, seeds, the file's
hash and how it was made. The folder appears whole or not at all.

For a policy that answers late, what the teacher wants is what is right at the tick where the answer lands, and with the
state stand the actions that act before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ontick.cache import write_json
from ontick.dead_time import NO_MORE, UNDECIDED, DeadTime
from ontick.errors import OntickError
from ontick.provenance import provenance
from ontick.records import Json
from ontick.tasks.base import Task

DEMONSTRATIONS = "demonstrations.jsonl"
CARD = "card.json"

UNKNOWN = -1
"""Of a seed, a tick or an action done: there was none."""


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Labelled states, as columns of one length n."""

    states: npt.NDArray[np.float32]
    """Shape (n, features), in the environment's own units."""
    actions: npt.NDArray[np.int64]
    """What the teacher wants there, shape (n,)."""
    acted: npt.NDArray[np.int64]
    """What was done there by whoever flew; `UNKNOWN` for a state that was only sampled."""
    seeds: npt.NDArray[np.int64]
    """Of the episode; `UNKNOWN` for a state that was only sampled."""
    ticks: npt.NDArray[np.int64]
    """Of the episode; `UNKNOWN` for a state that was only sampled."""
    sources: npt.NDArray[np.str_]
    """How the state was come by, in a word: ``teacher``, ``noisy``, ``box``, ``dagger-1``, …"""
    pending: npt.NDArray[np.int8]
    """What acts from the state's tick on until the answer does, shape (n, ticks); `NO_MORE` after the last, `UNDECIDED`
    where it cannot be told. No column where answers are not late."""
    under_way: npt.NDArray[np.bool_]
    """Which of these had been asked for but not answered yet, shape (n, ticks): only their asker can know them."""

    def __len__(self) -> int:
        return len(self.actions)

    def where(self, chosen: npt.NDArray[Any]) -> Demonstrations:
        """Return some of them, in order: ``chosen`` is a mask, shape (n,), or indices."""
        return Demonstrations(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def rows(self, pending: int, *, memory: bool = False) -> npt.NDArray[np.float32]:
        """Return what a policy is shown: the states, and behind them so many pending actions.

        With ``memory`` it knows its own answers that were on their way. Shape (n, features + pending).
        """
        if not pending:
            return self.states
        codes = self.pending if memory else np.where(self.under_way, UNDECIDED, self.pending)
        return np.concatenate([self.states, _widened(codes[:, :pending], pending, NO_MORE)], axis=1, dtype=np.float32)

    @property
    def flown_seeds(self) -> set[int]:
        """The seeds of the episodes that they come from."""
        return {seed for seed in np.unique(self.seeds).tolist() if seed != UNKNOWN}


def joined(parts: Sequence[Demonstrations]) -> Demonstrations:
    """Return several one after another; at least one must be given."""
    ticks = max(part.pending.shape[1] for part in parts)
    alike = [
        replace(
            part, pending=_widened(part.pending, ticks, NO_MORE), under_way=_widened(part.under_way, ticks, fill=False)
        )
        for part in parts
    ]
    return Demonstrations(
        *(np.concatenate([getattr(part, column.name) for part in alike]) for column in fields(Demonstrations))
    )


def _widened(columns: npt.NDArray[Any], width: int, fill: int) -> npt.NDArray[Any]:
    """Add columns of ``fill`` on the right."""
    return np.pad(columns, ((0, 0), (0, width - columns.shape[1])), constant_values=fill)


def demonstrations(
    states: npt.ArrayLike,
    actions: npt.ArrayLike,
    source: str,
    *,
    acted: npt.ArrayLike = UNKNOWN,
    seeds: npt.ArrayLike = UNKNOWN,
    ticks: npt.ArrayLike = UNKNOWN,
    pending: Sequence[Sequence[int]] | None = None,
    under_way: Sequence[Sequence[bool]] | None = None,
) -> Demonstrations:
    """Return labelled states of one source; single values count for all of them.

    ``pending`` and ``under_way`` may be as long as they are for each.
    """
    n, shown = len(np.asarray(actions)), np.asarray(states, dtype=np.float32)

    def column(values: npt.ArrayLike) -> npt.NDArray[np.int64]:
        return np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=np.int64), (n,)))

    return Demonstrations(
        shown if shown.ndim == 2 else shown.reshape(n, -1),
        column(actions),
        column(acted),
        column(seeds),
        column(ticks),
        np.full(n, source),
        ragged([()] * n if pending is None else pending, NO_MORE).astype(np.int8),
        ragged([()] * n if under_way is None else under_way, 0).astype(np.bool_),
    )


def ragged(rows: Sequence[Sequence[int]], fill: int) -> npt.NDArray[np.int64]:
    """Return rows as one array, shape (n, longest), those that are shorter filled up on the right."""
    widest = max((len(row) for row in rows), default=0)
    return np.array([[*row, *[fill] * (widest - len(row))] for row in rows], dtype=np.int64).reshape(len(rows), widest)


class Dataset(NamedTuple):
    """Demonstrations and the card of their folder."""

    demonstrations: Demonstrations
    card: Json

    @property
    def hash(self) -> str:
        """SHA-256 of the demonstrations' file: which data a pilot learnt from."""
        return self.card["hash"]

    @property
    def dead_time(self) -> DeadTime | None:
        """The dead time that it was collected for; None: what is wanted is what is right at once."""
        found = self.card.get("dead_time")
        return None if found is None else DeadTime.from_json(found)

    @property
    def origin(self) -> Json:
        """What the card of a pilot that learnt from it says of it; which network labelled it, if one did."""
        said = {name: self.card[name] for name in ("hash", "n", "per_source")}
        labeller = self.card.get("made", {}).get("labeller_id")
        return said if labeller is None else {**said, "labeller": labeller}


def dead_time_of(datasets: Sequence[Dataset]) -> DeadTime | None:
    """Return the one dead time that datasets to be learnt from together were collected for.

    Raises:
        OntickError: there are several, or only some were collected for one.
    """
    found = [dataset.dead_time for dataset in datasets]
    if any(dead_time != found[0] for dead_time in found):
        said = " and for ".join(sorted({"no latency" if one is None else str(one) for one in found}))
        raise OntickError(
            f"the data was collected for {said}: what is right under one is wrong under another; learn from one kind"
        )
    return found[0] if found else None


def write_dataset(
    folder: Path, task: Task, demos: Demonstrations, made: Mapping[str, Any], dead_time: DeadTime | None = None
) -> Dataset:
    """Write a new dataset's folder; ``made`` is how it was made, for the card.

    Raises:
        OntickError: the folder exists and holds something, cannot be written, or there is nothing to write.
    """
    if not len(demos):
        raise OntickError("there is not one demonstration to write; collect more")
    data = "".join(f"{line}\n" for line in lines(demos)).encode()
    card = describe(task, demos, dead_time) | {"hash": hashlib.sha256(data).hexdigest()}
    card |= {"made": {**made, **provenance()}}
    with new_folder(folder) as partial:
        (partial / DEMONSTRATIONS).write_bytes(data)
        write_json(partial / CARD, card)
    return Dataset(demos, card)


def check_new(path: Path) -> None:
    """See that nothing stands where something is to be written; an empty folder may.

    Raises:
        OntickError: something does, or it cannot be told.
    """
    try:
        taken = any(path.iterdir()) if path.is_dir() else path.exists()
        above = next(folder for folder in path.resolve().parents if folder.exists())
    except OSError as error:
        raise OntickError(f"cannot write {path} ({error.strerror}); choose another place") from error
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise OntickError(f"cannot write {path} (nothing can be written in {above}); choose another place")
    if taken:
        raise OntickError(f"{path} holds something already; choose another place")


@contextmanager
def new_folder(folder: Path) -> Generator[Path]:
    """Give a folder to write in that becomes ``folder`` at the end, or goes if writing fails: never half of one.

    Raises:
        OntickError: ``folder`` holds something already, or cannot be written.
    """
    check_new(folder)
    folder = folder.resolve()
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.replace(folder)
    except OSError as error:
        raise OntickError(f"cannot write {folder} ({error.strerror or error}); choose another place") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def describe(task: Task, demos: Demonstrations, dead_time: DeadTime | None = None) -> Json:
    """Return what a card says of demonstrations: how many, of which action and source, from which seeds, how late."""
    counted: Counter[int] = Counter(demos.actions.tolist())
    sources: Counter[str] = Counter(demos.sources.tolist())
    return {
        "task": task.name,
        "env_id": task.env_id,
        "features": [feature.name for feature in task.features],
        "actions": list(task.actions),
        "n": len(demos),
        "per_action": {name: counted[action] for action, name in enumerate(task.actions)},
        "per_source": dict(sources),
        "seeds": seed_ranges(demos.flown_seeds),
        **({} if dead_time is None else {"dead_time": dead_time.as_json() | {"pending": demos.pending.shape[1]}}),
    }


def seed_ranges(seeds: Iterable[int]) -> list[list[int]]:
    """Return sorted seeds as ranges [first, last], both included."""
    ranges: list[list[int]] = []
    for seed in sorted(seeds):
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ranges


def read_dataset(folder: Path, task: Task) -> Dataset:
    """Read a dataset's folder.

    Raises:
        OntickError: it is no dataset, of another task, damaged or changed since it was written.
    """
    card = read_dataset_card(folder)
    try:
        data = (folder / DEMONSTRATIONS).read_bytes()
    except OSError as error:
        raise _no_dataset(folder, error) from error
    if card.get("task") != task.name or card.get("actions") != list(task.actions):
        raise OntickError(f"{folder} is a dataset of task {card.get('task')!r}, not of {task.name!r}; give another")
    demos = parse(folder / DEMONSTRATIONS, data, task)
    if hashlib.sha256(data).hexdigest() != card.get("hash"):
        raise OntickError(f"{folder / DEMONSTRATIONS} has changed since its card was written; collect it again")
    dataset = Dataset(demos, card)
    try:
        _ = dataset.dead_time
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(f"{folder / CARD} is damaged ({_said(error)}); collect it again") from error
    return dataset


def read_dataset_card(folder: Path) -> Json:
    """Read a dataset's card alone; its ``task`` is a name.

    Raises:
        OntickError: it is no dataset.
    """
    try:
        card: Json = dict(json.loads((folder / CARD).read_text()))
        if not isinstance(card.get("task"), str):
            raise ValueError("its card names no task")
    except (OSError, ValueError, TypeError) as error:
        raise _no_dataset(folder, error) from error
    return card


def _no_dataset(folder: Path, error: Exception) -> OntickError:
    return OntickError(f"{folder} is no dataset ({_said(error)}); make one with: ontick collect")


def lines(demos: Demonstrations) -> Iterable[str]:
    """Yield each demonstration as a line of JSON; a state's numbers read back as the very same float32."""
    columns = zip(demos.states, *(getattr(demos, c.name).tolist() for c in fields(demos)[1:]), strict=True)
    for state, action, acted, seed, tick, source, pending, under_way in columns:
        numbers = ", ".join(map(_number, state))
        rest: Json = {"action": action, "acted": acted, "seed": seed, "tick": tick, "source": source}
        if pending:
            rest["pending"] = [None if code == UNDECIDED else code for code in pending if code != NO_MORE]
            rest["under_way"] = [place for place, is_so in enumerate(under_way) if is_so]
        yield f'{{"state": [{numbers}], {json.dumps(rest)[1:]}'


def _number(value: np.float32) -> str:
    """Write the shortest decimal that reads back as this very float32."""
    if not np.isfinite(value):
        raise OntickError(f"a state holds {value}; mend the environment")
    return str(value)


def parse(path: Path, data: bytes, task: Task) -> Demonstrations:
    """Read what `lines` writes; other keys in a line are passed over. ``path`` is what messages call it.

    Raises:
        OntickError: a line is damaged or does not fit the task, or there is none.
    """
    width, legal = len(task.features), range(len(task.actions))
    acting = {*legal, task.noop, UNDECIDED}
    rows: list[tuple[list[float], int, int, int, int, str]] = []
    pending, under_way = list[list[int]](), list[list[bool]]()
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            row = json.loads(line)
            state, action = row["state"], row["action"]
            if len(state) != width or action not in legal:
                raise ValueError("it does not fit the task")
            rows.append((state, action, *(row.get(key, UNKNOWN) for key in ("acted", "seed", "tick")), row["source"]))
            codes = [UNDECIDED if code is None else code for code in row.get("pending", ())]
            places = set[int](row.get("under_way", ()))
            if not (acting.issuperset(codes) and places.issubset(range(len(codes)))):
                raise ValueError("it does not fit the task")
            pending.append(codes)
            under_way.append([place in places for place in range(len(codes))])
        except (ValueError, KeyError, TypeError) as error:
            raise OntickError(
                f"line {number} of {path} is damaged ({_said(error)}); restore it, or collect the data again"
            ) from error
    if not rows:
        raise OntickError(f"{path} is empty; collect the data again")
    states, actions, acted, seeds, ticks, sources = (list(column) for column in zip(*rows, strict=True))
    return Demonstrations(
        np.array(states, dtype=np.float32),
        np.array(actions, dtype=np.int64),
        np.array(acted, dtype=np.int64),
        np.array(seeds, dtype=np.int64),
        np.array(ticks, dtype=np.int64),
        np.array(sources),
        ragged(pending, NO_MORE).astype(np.int8),
        ragged(under_way, 0).astype(np.bool_),
    )


def _said(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else " ".join(str(error).split())
