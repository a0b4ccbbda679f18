"""How does a pilot learn from its own mistakes? DAgger (Ross, Gordon and Bagnell, 2011), round by round.

A round: the student flies, the teacher labels every state that it visits, these are added to all before, the
student learns again and is evaluated. The best is kept. Two rounds in a row that bring nothing end it. Each round
leaves a pilot, ``vN``, and a folder, ``round-I``, with ``data`` and, written last, ``round.json``; what is there
already is not done again, so a run that was killed goes on, and ends as it would have.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from ontick.alone import alone_in
from ontick.cache import made_whole, write_json
from ontick.dead_time import Aim, Awareness, DeadTime
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.evaluation.phases import Phases
from ontick.evaluation.summary import summarise
from ontick.late import LateRule
from ontick.learning.aggregate import aggregate_weights, sources_of_round
from ontick.learning.balance import Balance
from ontick.learning.collect import Labeller, collect, find_labeller
from ontick.learning.corrections import describe_corrections
from ontick.learning.dataset import Dataset, dead_time_of, read_dataset, write_dataset
from ontick.learning.flock import Air, fly_together
from ontick.learning.hindsight import Asked, dead_time_for
from ontick.learning.learner import Learner, Start, learner_for
from ontick.learning.mixture import Beta, Mixture
from ontick.learning.mlp import standing
from ontick.learning.network_labeller import labeller_id
from ontick.learning.noise import Noise
from ontick.learning.seeds import DAGGER_SEED, SELECTION_SEED, check_apart
from ontick.learning.sft.settings import KeepChanges
from ontick.pilots.card import CARD, Kind, PilotCard, read_card
from ontick.records import Json
from ontick.tasks import find_task
from ontick.tasks.base import Task

RECORD = "dagger.json"
ROUND = "round.json"
BEST = "best"
"""A link to the best pilot's folder."""

BARREN_ROUNDS = 2
"""So many in a row that bring nothing end it."""

FLIES, LEARNS, IS_EVALUATED = "flies", "learns", "is evaluated"
"""What happens in a round."""

EVALUATION_SEED = SELECTION_SEED + 500_000
"""Of the first flight that compares the rounds: other flights than those by which a learner keeps its best."""


class Labels(StrEnum):
    """Which of the visited states are learnt from."""

    ALL = "all"
    DISAGREEMENTS = "disagreements"


@dataclass(frozen=True)
class DaggerSetup:
    """Everything that decides how a pilot learns on."""

    task: str
    pilot: Path
    """The pilot's folder that it begins with."""
    to: Path
    """Where the rounds are left; an unfinished run of the same setup is gone on with."""
    data: tuple[Path, ...] = ()
    """Datasets that are learnt from in every round, such as what the pilot learnt from."""
    rounds: int = 5
    episodes: int = 20
    """How many the student flies in a round."""
    beta: str = "0"
    """`Beta`: how often the teacher acts in the student's place."""
    labels: Labels = Labels.ALL
    weight: float = 1.0
    """How often a state counts in which the student was corrected."""
    recency: float = 1.0
    """What the data of a round counts in the next, against the newest; 1: as much."""
    balance: Balance | None = None
    """How much rare actions are helped; None: as the pilot's card says."""
    start: Start = Start.PARENT
    steps: int | None = None
    """Of the optimiser in a round; None: as many as the pilot's card says."""
    latency: str | None = None
    """What an answer takes while the student flies; None: as the pilot was trained."""
    in_flight: int = 1
    late: LateRule = LateRule.HOLD
    aim: Aim | None = None
    labeller: str = "teacher"
    """A word of `ontick.learning.collect.find_labeller`: the task's teacher, a small network, any function of yours."""
    keep: KeepChanges = field(default_factory=KeepChanges)
    """What a language model rehearses, where that is to be other than when it was trained."""
    evaluation_episodes: int = 50
    task_module: str | None = None

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            OntickError: with the first one found.
        """
        for name in ("rounds", "episodes", "evaluation_episodes"):
            if getattr(self, name) < 1:
                raise OntickError(f"--{name.replace('_', '-')} {getattr(self, name)} does nothing; give 1 or more")
        if self.steps is not None and self.steps < 1:
            raise OntickError(f"--steps {self.steps} teaches nothing; give 1 or more")
        if not 1 <= self.weight < np.inf:
            raise OntickError(f"--weight {self.weight} forgets corrections; give 1 or more")
        if not 0 < self.recency <= 1:
            raise OntickError(f"--recency {self.recency} cannot be; give more than 0, and at most 1 (all rounds alike)")
        Beta.parse(self.beta)

    def as_json(self) -> Json:
        """Return what must be the same for a run to go on; more rounds may be asked for."""
        left_out = {"pilot", "to", "data", "rounds", "latency", "in_flight", "late", "aim"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}


def dagger(
    setup: DaggerSetup,
    progress: Progress = silent,
    *,
    labeller: Labeller | None = None,
    learner: Learner | None = None,
) -> Json:
    """Let a pilot fly and learn until nothing comes of it any more; return what ``dagger --json`` prints.

    Args:
        setup: what is asked for.
        progress: told which round it is at, and with what.
        labeller: who knows better; by default whom the setup names.
        learner: who learns; by default as the pilot did.

    Raises:
        OntickError: something named is missing or does not fit, another process works there, or a round failed; the
            rounds before it are kept.
        KeyboardInterrupt: the user pressed Ctrl-C; the same call goes on from there.
    """
    setup.check()
    task = find_task(setup.task, setup.task_module)
    own, card = learner_for(task, setup.pilot, setup.steps, setup.keep)
    data = [read_dataset(folder, task) for folder in setup.data]
    if labeller is None:
        labeller = find_labeller(setup.labeller, task)
    phases = Phases(progress, _shares(setup.rounds))
    run = _Run(setup, task, card, data, labeller, learner or own, _dead_time(setup, task, card, data), phases)
    try:
        with alone_in(setup.to):
            return run.go()
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("the same command goes on from here") from stop
    except OSError as error:
        raise OntickError(f"cannot write {setup.to} ({error.strerror}); mend that and give the same command") from error


@dataclass
class _Run:
    """One setup under way."""

    setup: DaggerSetup
    task: Task
    card: PilotCard
    given: list[Dataset]
    labeller: Labeller
    learner: Learner
    dead_time: DeadTime | None
    phases: Phases

    def go(self) -> Json:
        setup, rounds = self.setup, list[Json]()
        seen = [pair for dataset in self.given for pair in dataset.card["seeds"]]
        check_apart([*seen, *self.card.seeds], self._evaluated)
        first_seed = self._begin([*seen, *self.card.seeds])
        begun = best = self._begun()
        visited: list[Dataset] = []
        barren, why = 0, f"{setup.rounds} round{'s were' if setup.rounds > 1 else ' was'} asked for"
        for number in range(1, setup.rounds + 1):
            student = Path((rounds[-1] if rounds else begun)["pilot"])
            done = self._round(number, student, first_seed, visited, best)
            rounds.append(done)
            if done["pilot"] is None:
                why = "it agrees with the teacher in every state that it visits"
                break
            best, barren = (done, 0) if done["better"] else (best, barren + 1)
            self._link(Path(best["pilot"]))
            if barren == BARREN_ROUNDS:
                why = f"{BARREN_ROUNDS} rounds in a row brought nothing"
                break
        return {
            "task": self.task.name,
            "pilot": str(setup.pilot),
            "to": str(setup.to),
            "labeller": setup.labeller,
            "labeller_id": labeller_id(self.labeller),
            "begun": begun,
            "rounds": rounds,
            "best": {name: best[name] for name in ("round", "pilot", "id", "version", "evaluation")},
            "stopped": why,
        }

    @property
    def _evaluated(self) -> range:
        return range(EVALUATION_SEED, EVALUATION_SEED + self.setup.evaluation_episodes)

    def _begin(self, flown: Sequence[Sequence[int]]) -> int:
        """Write the record, or see that what is there is of the same setup; return the first seed to fly."""
        to, path = self.setup.to, self.setup.to / RECORD
        data = [dataset.hash for dataset in self.given]
        asked: Json = {**self.setup.as_json(), "pilot": self.card.id, "data": data}
        asked["labeller_id"] = labeller_id(self.labeller)
        asked["dead_time"] = None if self.dead_time is None else self.dead_time.as_json()
        if not path.exists():
            if to.exists() and (not to.is_dir() or any(to.iterdir())):
                raise OntickError(f"{to} holds something already; choose another --to")
            first_seed = max([DAGGER_SEED, *(last + 1 for _, last in flown)])
            write_json(path, {**asked, "first_seed": first_seed})
            return first_seed
        try:
            found: Json = json.loads(path.read_text())
            first_seed = int(found.pop("first_seed"))
        except (ValueError, KeyError) as error:
            raise OntickError(f"{path} is damaged; choose another --to") from error
        for name, value in asked.items():
            if found.get(name) != value:
                raise OntickError(f"the rounds in {to} were begun with another {name}; choose another --to")
        return first_seed

    def _begun(self) -> Json:
        """Return what the pilot can do before the first round."""
        path = self.setup.to / "round-0" / ROUND
        if path.exists():
            return json.loads(path.read_text())
        pilot = self.setup.pilot
        found: Json = {
            "round": 0,
            "pilot": str(pilot),
            "id": self.card.id,
            "version": self.card.version,
            "evaluation": self._evaluate(0, pilot),
        }
        write_json(path, found)
        return found

    def _round(self, number: int, student: Path, first_seed: int, visited: list[Dataset], best: Json) -> Json:
        """Do a round, or what is missing of it; what was visited is added to ``visited``."""
        folder = self.setup.to / f"round-{number}"
        record, pilot = folder / ROUND, self.setup.to / f"v{self.card.version + number}"
        first = first_seed + (number - 1) * self.setup.episodes
        flown, dataset = self._fly(number, student, range(first, first + self.setup.episodes), folder / "data")
        if dataset is not None:
            visited.append(dataset)
        if record.exists():
            return json.loads(record.read_text())
        done: Json = {"round": number, **flown, "pilot": None, "id": None, "version": None, "better": False}
        done |= {"aggregate": sum(len(data.demonstrations) for data in (*self.given, *visited)), "evaluation": None}
        if flown["disagreements"]:
            self._learn(number, visited, student, pilot)
            card, summary = read_card(pilot), self._evaluate(number, pilot)
            better = standing(summary) > standing(best["evaluation"])
            done |= {"pilot": str(pilot), "id": card.id, "version": card.version}
            done |= {"better": better, "evaluation": summary}
        write_json(record, done)
        return done

    def _fly(self, number: int, student: Path, seeds: range, folder: Path) -> tuple[Json, Dataset | None]:
        """Return what the student's flights say of it, and their states; None if none is learnt from."""
        if folder.exists():
            dataset = read_dataset(folder, self.task)
            return dataset.card["made"]["flown"], dataset
        beta = Beta.parse(self.setup.beta).at(number)
        actor = Mixture(self.task, self.learner.policy(student), self.labeller, beta, number)
        told = self.phases.of(_part(number, FLIES))
        demos = collect(
            self.task,
            actor,
            self.labeller,
            Noise(),
            seeds,
            source=f"dagger-{number}",
            dead_time=self.dead_time,
            asked=Asked.START,
            aware=self._aware(student),
            progress=told,
        )
        said = actor.said(demos.states)
        differ = said != demos.actions
        found = describe_corrections(self.task, said, demos.actions, demos.seeds)
        flown: Json = {"beta": beta, "seeds": [seeds[0], seeds[-1]], **found}
        demos = replace(demos, sources=sources_of_round(number, differ))
        if self.setup.labels is Labels.DISAGREEMENTS:
            demos = demos.where(differ)
        if not len(demos):
            return flown, None
        by = {"student": read_card(student).id, "labeller_id": labeller_id(self.labeller)}
        made = {"verb": "dagger", "round": number, **by, "flown": flown}
        return flown, write_dataset(folder, self.task, demos, made, self.dead_time)

    def _learn(self, number: int, visited: Sequence[Dataset], student: Path, pilot: Path) -> None:
        """Have the pilot of a round, unless it is there."""
        if (pilot / CARD).exists():
            return
        setup = self.setup
        weights = aggregate_weights(
            self.given,
            visited,
            len(self.task.actions),
            corrected=setup.weight,
            recency=setup.recency,
            balance=_balance(self.card) if setup.balance is None else setup.balance,
        )
        told = self.phases.of(_part(number, LEARNS))
        data = [*self.given, *visited]
        self.learner.learn(data, weights, pilot, parent=student, start=setup.start, progress=told)

    def _evaluate(self, number: int, pilot: Path) -> Json:
        told = self.phases.of(_part(number, IS_EVALUATED))
        flights = fly_together(
            self.task,
            self.learner.policy(pilot),
            self._evaluated,
            aware=self._aware(pilot),
            air=Air.of(self.dead_time),
            progress=told,
        )
        return summarise(self.task, flights)

    def _aware(self, pilot: Path) -> Awareness | None:
        """Return what a pilot is shown besides the state."""
        aware = read_card(pilot).aware
        return None if aware is None or self.dead_time is None else replace(aware, dead_time=self.dead_time)

    def _link(self, pilot: Path) -> None:
        """Let `BEST` name the best pilot's folder."""
        link = self.setup.to / BEST
        with made_whole(link) as partial:
            partial.symlink_to(os.path.relpath(pilot.resolve(), self.setup.to.resolve()), target_is_directory=True)


def _part(number: int, what: str) -> str:
    return f"round {number} {what}"


def _shares(rounds: int) -> dict[str, float]:
    """Return roughly which share of the time each part of each round takes; before the first there is a judgement."""
    parts = {FLIES: 1.0, LEARNS: 3.0, IS_EVALUATED: 1.0}
    rest = {_part(number, what): share for number in range(1, rounds + 1) for what, share in parts.items()}
    return {_part(0, IS_EVALUATED): parts[IS_EVALUATED], **rest}


def _dead_time(setup: DaggerSetup, task: Task, card: PilotCard, data: Sequence[Dataset]) -> DeadTime | None:
    """Return the dead time that is flown under and learnt for.

    Raises:
        OntickError: the data or the pilot is made for another, or nothing could be learnt under it.
    """
    if setup.latency is None and card.aware is not None:
        if (setup.in_flight, setup.late, setup.aim) != (1, LateRule.HOLD, None):
            raise OntickError(f"the pilot flies as it was trained: {card.aware}; give --latency too, or nothing of it")
        dead_time = card.aware.dead_time
    else:
        dead_time = dead_time_for(task, setup.latency, setup.in_flight, setup.late, setup.aim)
    if data and dead_time_of(data) != dead_time:
        said, given = ("no latency" if one is None else str(one) for one in (dead_time, dead_time_of(data)))
        raise OntickError(f"the pilot is to fly for {said}, and the data was collected for {given}; give other --data")
    if dead_time is None:
        return None
    if setup.beta != "0":
        raise OntickError("--beta lets the teacher act, who would be late as well; leave it out with a latency")
    if card.aware is None and card.kind is Kind.MLP and setup.start is Start.PARENT:
        raise OntickError(f"{setup.pilot} was trained for no latency and cannot go on from there; add --start base")
    return dead_time


def _balance(card: PilotCard) -> Balance:
    """Return what a pilot's card says of the balance of its data."""
    said = card.settings.get("balance")
    return Balance(said) if isinstance(said, str) and said in set(Balance) else Balance.NONE
