"""How does a forward model come about? Flights are flown, most are fitted, the others say how good it is."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ontick.cache import write_json
from ontick.errors import OntickError, missing_package
from ontick.evaluation.episodes import Progress, silent
from ontick.evaluation.phases import Phases
from ontick.forward.fitted import CARD, WEIGHTS, dynamics_bytes, identity, rows_of, weights_hash
from ontick.learning.dataset import check_new, new_folder, seed_ranges
from ontick.learning.dynamics.errors import (
    MOST_ONE_BY_ONE,
    errors_as_json,
    errors_of,
    errors_of_own,
    good_to,
    windows_of,
    words,
)
from ontick.learning.dynamics.settings import DynamicsSettings
from ontick.learning.dynamics.traces import fly_traces
from ontick.learning.seeds import DYNAMICS_SEED
from ontick.provenance import provenance
from ontick.records import Json
from ontick.tasks import find_task

HELD_OUT_EVERY = 5


@dataclass(frozen=True)
class DynamicsSetup:
    """Everything that decides how a forward model is fitted."""

    task: str
    to: Path
    """Its folder, which must not be there yet."""
    settings: DynamicsSettings = field(default_factory=DynamicsSettings)
    task_module: str | None = None


FLIGHTS, JUDGING_FLIGHTS, FITTING = "flights", "flights to judge by", "fitting"
"""What is done, in order."""


def train_dynamics(setup: DynamicsSetup, progress: Progress = silent) -> Json:
    """Fit a forward model and write its folder, whole or not at all; return its card and the folder.

    Raises:
        OntickError: something named is missing or cannot be, ``to`` holds something already, or the fitting failed.
        KeyboardInterrupt: the user pressed Ctrl-C; nothing is written then.
    """
    settings = setup.settings
    settings.check()
    task = find_task(setup.task, setup.task_module)
    check_new(setup.to)
    try:
        from ontick.learning.dynamics.fit import fit
    except ImportError as error:
        raise missing_package("PyTorch, which fits,", "'ontick[train]'") from error
    seeds = range(DYNAMICS_SEED, DYNAMICS_SEED + settings.episodes)
    held_out = [seed for number, seed in enumerate(seeds, start=1) if number % HELD_OUT_EVERY == 0]
    fitted = [seed for seed in seeds if seed not in set(held_out)]
    phases = Phases(progress, {FLIGHTS: 4.0, JUDGING_FLIGHTS: 1.0, FITTING: 20.0})
    learnt_from = fly_traces(task, fitted, phases.of(FLIGHTS))
    judged_on = fly_traces(task, held_out, phases.of(JUDGING_FLIGHTS))
    windows = windows_of(judged_on)
    if not learnt_from:
        raise OntickError("the flights are too short to learn from; raise --dynamics.episodes")
    began = time.perf_counter()
    dynamics = fit(learnt_from, rows_of(task), len(task.actions), settings, phases.of(FITTING))
    train_s = time.perf_counter() - began
    errors = errors_of(dynamics, windows)
    own = []
    if task.has_forward_model:
        own = errors_of_own(task, windows_of(judged_on, MOST_ONE_BY_ONE), sorted({1, errors[-1].ticks}))
    content = dynamics_bytes(dynamics)
    names = np.array([feature.name for feature in task.features])
    card: Json = {
        **identity(task),
        "env_id": task.env_id,
        "id": weights_hash(content),
        "parameters": dynamics.parameters,
        "flags": names[dynamics.flags].tolist(),
        "n": sum(len(trace.actions) for trace in learnt_from),
        "seeds": seed_ranges(fitted),
        "held_out_seeds": seed_ranges(held_out),
        "held_out_n": len(windows.states),
        "settings": asdict(settings),
        "train_s": train_s,
        "good_to_ticks": good_to(errors, dynamics.flags),
        "words": words(task, errors, dynamics.flags),
        "errors": errors_as_json(task, errors),
        "own_errors": errors_as_json(task, own),
        "made": provenance(),
    }
    with new_folder(setup.to) as partial:
        (partial / WEIGHTS).write_bytes(content)
        write_json(partial / CARD, card)
    return {**card, "dynamics": str(setup.to)}
