"""The verbs that ask without flying: latency, probe, prompt, models. Their fields are the options."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from tyro.conf import Positional

from ontick.cli.options import (
    Asked,
    BaseModel,
    Chunk,
    Controller,
    Questions,
    Recorded,
    Shown,
    Task,
    TaskAndController,
)
from ontick.errors import OntickError
from ontick.evaluation.anatomy import dissect, prepare_language_model
from ontick.evaluation.decision_latency import QUESTIONS, LatencySetup, measure_latency
from ontick.evaluation.episodes import Setup
from ontick.evaluation.probe import ProbeSetup, probe
from ontick.evaluation.questions import ALL
from ontick.models.base import ModelOptions
from ontick.models.catalog import EMBEDDED
from ontick.models.inventory import prepare_models, take_inventory
from ontick.report import model_tables
from ontick.report.probe_tables import probe_parts
from ontick.report.terminal import progress_bar


@dataclass(frozen=True, kw_only=True)
class Latency(Asked, Shown):
    """How fast a controller answers: time to first token, end to end; for an API the connection too."""

    words: Positional[TaskAndController]
    n: int = QUESTIONS
    """How many questions to ask."""
    chunk: Chunk = 1

    def run(self) -> int:
        """Measure and print."""
        if not 1 <= len(self.words) <= 2:
            raise OntickError("latency takes a controller, or a task and a controller; see: ontick latency --help")
        task, controller = ("cartpole", *self.words)[-2:]
        asking = replace(self.asking(), chunk=self.chunk)
        setup = LatencySetup(task, controller, self.n, self.seed, asking, self.task_module)
        with progress_bar(f"{task} {controller}") as progress:
            result = measure_latency(setup, progress)
        self.show(result, model_tables.latency_table(result), *([result["why"]] if result["why"] else []))
        return 0


@dataclass(frozen=True, kw_only=True)
class Probe(Asked, Recorded):
    """Single states and ordinary questions: what does a controller answer, and has it collapsed to one action?"""

    task: Positional[Task]
    controller: Positional[Controller]
    states: int = 100
    """How many states of the teacher's flights to ask about, besides the diagnostic ones."""
    questions: Questions = ALL
    base: BaseModel = None

    def run(self) -> int:
        """Probe and print."""
        setup = ProbeSetup(
            self.task,
            self.controller,
            self.states,
            self.seed,
            self.asking(),
            self.task_module,
            self.questions,
            self.base,
        )
        folder = self.folder("probe", self.task, self.controller)
        with progress_bar(f"{self.task} {self.controller}") as progress:
            result = probe(setup, folder, progress)
        self.show(result, *probe_parts(result), f"run: {folder}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Prompt(Asked, Shown):
    """Print exactly what a language model is sent, and how many of its tokens are new at a decision."""

    task: Positional[Task]
    controller: Positional[Controller] = EMBEDDED
    chunk: Chunk = 1

    def run(self) -> int:
        """Take the prompt apart and print."""
        asking = replace(self.asking(), chunk=self.chunk)
        setup = Setup(self.task, self.controller, seed=self.seed, asking=asking, task_module=self.task_module)
        with progress_bar(f"{self.task} {self.controller}"):
            result = dissect(prepare_language_model(setup), self.seed).as_json()
        sent = result["text"] or json.dumps(result["messages"], indent=2)
        self.show(result, sent, model_tables.prompt_table(result))
        return 0


@dataclass(frozen=True, kw_only=True)
class Models(Shown):
    """List what is installed; with names, prepare GGUF files in the quantisation that is fastest here."""

    words: Positional[tuple[str, ...]] = ()
    """smollm2 or gguf:PATH; use what is made of them with --model.quantisation fastest."""
    model: ModelOptions = field(default_factory=ModelOptions)
    """How a language model is loaded."""

    def run(self) -> int:
        """Look, or prepare, and print."""
        with progress_bar("models") as progress:
            result = prepare_models(self.words, self.model, progress) if self.words else take_inventory(self.model)
        readable = (model_tables.models_table(result), model_tables.times(result), model_tables.backends_table(result))
        self.show(result, *readable)
        return 0
