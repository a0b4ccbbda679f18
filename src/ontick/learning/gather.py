"""How does one dataset come of several flights, noises and a box? What ``ontick collect`` does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ontick.controllers.catalog import Asking, make_controller
from ontick.controllers.mlp import MlpController
from ontick.dead_time import Aim
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.late import LateRule
from ontick.learning.collect import BOX, collect, find_labeller, sample_box
from ontick.learning.dataset import (
    Dataset,
    Demonstrations,
    check_new,
    describe,
    joined,
    read_dataset,
    read_dataset_card,
    write_dataset,
)
from ontick.learning.hindsight import Asked, dead_time_for
from ontick.learning.network_labeller import labeller_id
from ontick.learning.noise import Noise, NoiseKind
from ontick.learning.seeds import TRAINING_SEED
from ontick.tasks import find_task
from ontick.tasks.base import Task


@dataclass(frozen=True)
class CollectSetup:
    """Everything that decides what is collected: what the dataset's card says was asked."""

    task: str
    actor: str = "teacher"
    """Who flies: a controller's word."""
    labeller: str = "teacher"
    """Who says what is right: a word of `ontick.learning.collect.find_labeller`."""
    noise: tuple[str, ...] = ("none",)
    """``episodes`` are flown with each of them."""
    episodes: int = 100
    seed: int = TRAINING_SEED
    """Of the first episode; the others count up from it, through all the noises."""
    box: int = 0
    """How many sampled states are added."""
    latency: str | None = None
    """What an answer takes; None: time is frozen, and what is wanted is what is right at once."""
    in_flight: int = 1
    late: LateRule = LateRule.HOLD
    aim: Aim | None = None
    asked: Asked | None = None
    """In which state the actor is asked under a latency; None: the teacher at the landing, others at the start."""
    asking: Asking = field(default_factory=Asking)
    task_module: str | None = None

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            OntickError: with the first one found.
        """
        if self.episodes < 0 or self.box < 0:
            raise OntickError("--episodes and --box cannot be negative; give 0 or more")
        if not self.box and not (self.episodes and self.noise):
            raise OntickError("nothing is asked for; give --episodes 100, or --box 50000, or both")
        if self.seed < 0:
            raise OntickError(f"--seed {self.seed} is no seed; give 0 or more")
        if self.latency is not None and self.box:
            raise OntickError(
                "states of a box are of no flight, so nothing comes late there; leave --box or --latency out"
            )
        if self.latency is None and self.asked is not None:
            raise OntickError("--asked is about late answers; add --latency 150, or leave it out")

    @property
    def asks(self) -> Asked:
        """In which state the actor is asked under a latency."""
        return self.asked or (Asked.LANDING if self.actor == "teacher" else Asked.START)


def gather(setup: CollectSetup, to: Path, progress: Progress = silent) -> Dataset:
    """Collect all that ``setup`` asks for and write it as a new dataset in the folder ``to``, whole or not at all.

    Raises:
        OntickError: the setup is wrong, ``to`` holds something already, or the actor or the labeller failed.
        KeyboardInterrupt: the user pressed Ctrl-C; nothing is written then.
    """
    setup.check()
    task = find_task(setup.task, setup.task_module)
    noises = [Noise.parse(word) for word in setup.noise] if setup.episodes else []
    if len(set(noises)) < len(noises):
        raise OntickError(f"a noise is given twice in --noise {' '.join(setup.noise)}; give each once")
    labeller = find_labeller(setup.labeller, task)
    dead_time = dead_time_for(task, setup.latency, setup.in_flight, setup.late, setup.aim)
    check_new(to)
    total, parts = len(noises) * setup.episodes, list[Demonstrations]()
    actor = make_controller(setup.actor, task, setup.asking) if noises else None
    aware = None
    if dead_time is not None and isinstance(actor, MlpController) and actor.outlook is not None:
        aware = replace(actor.outlook.aware, dead_time=dead_time)
    for noise in noises:
        noise.make(task)  # before anything is flown
    for number, noise in enumerate(noises):
        if actor is None:
            break
        flown = number * setup.episodes

        def tell(done: int, _: int, what: str, before: int = flown) -> None:
            progress(before + done, total, what)

        first = setup.seed + flown
        seeds = range(first, first + setup.episodes)
        parts.append(
            collect(
                task,
                actor,
                labeller,
                noise,
                seeds,
                source=source(setup.actor, noise),
                dead_time=dead_time,
                asked=setup.asks,
                aware=aware,
                progress=tell,
            )
        )
    if setup.box:
        parts.append(sample_box(task, labeller, setup.box, setup.seed))
    made = {"verb": "collect", **asdict(setup), "labeller_id": labeller_id(labeller)}
    return write_dataset(to, task, joined(parts), made, dead_time)


def source(actor: str, noise: Noise) -> str:
    """Return the word by which a dataset knows where a state comes from: ``teacher``, ``teacher+pushes:0.05``, …"""
    return actor if noise.kind is NoiseKind.NONE else f"{actor}+{noise}"


def noise_of(source: str) -> Noise | None:
    """Return the noise that `source` wrote into a source's word, or None if it is no such word."""
    if source == BOX:
        return None
    _, plus, word = source.rpartition("+")
    try:
        return Noise.parse(word) if plus else Noise()
    except OntickError:
        return Noise()


def read_together(folders: Sequence[Path], task_module: str | None = None) -> tuple[Task, Dataset]:
    """Read several datasets of one task as one; its card counts them together.

    Raises:
        OntickError: none is given, one is no dataset, is damaged, of another task, or given twice.
    """
    if not folders:
        raise OntickError("no dataset is given; name the folders of some, made with: ontick collect")
    task = find_task(read_dataset_card(folders[0])["task"], task_module)
    parts = [read_dataset(folder, task) for folder in folders]
    hashes = [part.hash for part in parts]
    for place, part in enumerate(hashes):
        if part in hashes[:place]:
            raise OntickError(f"{folders[place]} and {folders[hashes.index(part)]} hold the same data; give it once")
    if len(parts) == 1:
        return task, parts[0]
    demos = joined([part.demonstrations for part in parts])
    dead_times = {part.dead_time for part in parts}
    dead_time = dead_times.pop() if len(dead_times) == 1 else None
    cards = [{"folder": str(folder), **part.card} for folder, part in zip(folders, parts, strict=True)]
    made = {"joined": [{"folder": card["folder"], "hash": card["hash"], "n": card["n"]} for card in cards]}
    return task, Dataset(demos, describe(task, demos, dead_time) | {"hash": _hash_of(hashes), "made": made})


def _hash_of(hashes: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()
