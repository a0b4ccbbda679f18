"""The tree is what docs/architecture.md says: imports go one way, and starting up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "ontick"

ORDER: tuple[str, ...] = (
    "errors",
    "plugins",
    "durations",
    "scheduling",
    "clock",
    "late",
    "cache",
    "provenance",
    "records",
    "latency",
    "dead_time",
    "tasks.picture",
    "tasks.gauges",
    "tasks.base",
    "tasks.examples",
    "tasks.cartpole",
    "tasks.lunar_lander_dynamics",
    "tasks.lunar_lander_picture",
    "tasks.lunar_lander",
    "tasks",
    "forward.fitted",
    "forward",
    "models.base",
    "models.chat",
    "models.gguf_file",
    "models.answers",
    "models.gaps",
    "models.beside",
    "models.llama.kernels",
    "models.llama.log",
    "models.llama.memory",
    "models.llama.threads",
    "models.llama.voice",
    "models.llama.model",
    "models.llama.quantise",
    "models.llama.rewrite",
    "models.llama.lora",
    "models.llama.graft",
    "models.llama",
    "models.hf.conversation",
    "models.hf.hub",
    "models.hf.load",
    "models.hf.read",
    "models.hf.static",
    "models.hf.model",
    "models.hf",
    "models.api.address",
    "models.api.line",
    "models.api.model",
    "models.api.connection",
    "models.api",
    "models.catalog",
    "models.inventory",
    "models.weights",
    "models.talk",
    "models",
    "wording",
    "plans",
    "prompts",
    "pilots.card",
    "pilots.find",
    "pilots.weights",
    "pilots.as_gguf",
    "pilots.load",
    "pilots.lineage",
    "pilots.readme",
    "pilots.hub",
    "pilots.ship",
    "pilots",
    "controllers.base",
    "controllers.scripted",
    "controllers.wrappers",
    "controllers.landing",
    "controllers.pending",
    "controllers.prediction",
    "controllers.leaning",
    "controllers.llm",
    "controllers.chunks",
    "controllers.mlp",
    "controllers.pilot",
    "controllers.talking",
    "controllers.catalog",
    "controllers",
    "inflight.slots",
    "inflight.legal",
    "inflight.mailbox",
    "inflight.requests",
    "inflight",
    "loop",
    "contracts.tasks",
    "contracts.controllers",
    "contracts.models",
    "contracts",
    "evaluation.statistics",
    "evaluation.collapse",
    "evaluation.failures",
    "evaluation.prediction_error",
    "evaluation.summary",
    "evaluation.suited",
    "evaluation.beforehand",
    "evaluation.foresight",
    "evaluation.episodes",
    "evaluation.phases",
    "evaluation.ways",
    "evaluation.points",
    "evaluation.cliff",
    "evaluation.needs",
    "evaluation.remedy",
    "evaluation.verdict",
    "evaluation.compare",
    "evaluation.anatomy",
    "evaluation.decision_latency",
    "evaluation.demo",
    "evaluation.teacher_states",
    "evaluation.numerals",
    "evaluation.questions",
    "evaluation.retention",
    "evaluation.probe",
    "evaluation",
    "replays.plain",
    "replays.marks",
    "replays.teacher",
    "replays.judged",
    "replays.stand_in",
    "replays.asked",
    "replays.replay",
    "replays.recorded",
    "replays.recorded_task",
    "replays.library",
    "replays.assets",
    "replays",
    "learning.dataset",
    "learning.flock",
    "learning.seeds",
    "learning.balance",
    "learning.pushes",
    "learning.noise",
    "learning.hindsight",
    "learning.network_labeller",
    "learning.collect",
    "learning.gather",
    "learning.chat_files",
    "learning.minari_files",
    "learning.exchange",
    "learning.sft.settings",
    "learning.sft.tokens",
    "learning.sft.shared",
    "learning.sft.distil",
    "learning.sft.guard",
    "learning.sft.policy",
    "learning.sft.trainer",
    "learning.sft.model",
    "learning.sft.folder",
    "learning.sft.plan",
    "learning.sft.arguments",
    "learning.sft.result",
    "learning.sft.train",
    "learning.sft.learner",
    "learning.sft",
    "learning.fitting",
    "learning.cloning",
    "learning.mlp",
    "learning.dynamics.settings",
    "learning.dynamics.traces",
    "learning.dynamics.errors",
    "learning.dynamics.fit",
    "learning.dynamics.train",
    "learning.dynamics",
    "learning.learner",
    "learning.mixture",
    "learning.corrections",
    "learning.aggregate",
    "learning.dagger",
    "learning",
    "reproduction.row",
    "reproduction.ledger",
    "reproduction.machine",
    "reproduction.figures",
    "reproduction.tuning",
    "reproduction.cartpole",
    "reproduction.lunar_lander",
    "reproduction.recipes",
    "reproduction.goals",
    "reproduction.reproduce",
    "reproduction",
    "report.tables",
    "report.way_tables",
    "report.model_tables",
    "report.probe_tables",
    "report.data_tables",
    "report.pilot_tables",
    "report.training_tables",
    "report.dynamics_tables",
    "report.dagger_tables",
    "report.reproduction_tables",
    "report.plots",
    "report.films.looks",
    "report.readings",
    "report.films.painting",
    "report.films.frames",
    "report.films.forms",
    "report.films.files",
    "report.films.video",
    "report.films",
    "report.live_line",
    "report.terminal",
    "report.document.forms",
    "report.document.account",
    "report.document.flown",
    "report.document.flight_plots",
    "report.document.commands",
    "report.document.parts",
    "report.document.curves",
    "report.document.run_tables",
    "report.document.gallery",
    "report.document.pictures",
    "report.document.pieces",
    "report.document.flight_chapters",
    "report.document.story_chapters",
    "report.document.chapters",
    "report.document.inline",
    "report.document.html_page",
    "report.document.markdown",
    "report.document.publish",
    "report.document",
    "report",
    "viewer.guard",
    "viewer.settings",
    "viewer.messages",
    "viewer.lanes.orders",
    "viewer.lanes.recording",
    "viewer.lanes.seat",
    "viewer.lanes.slow_motion",
    "viewer.lanes.controls",
    "viewer.lanes.story",
    "viewer.lanes.told",
    "viewer.lanes.table",
    "viewer.lanes.ending",
    "viewer.lanes.lane",
    "viewer.lanes",
    "viewer.process",
    "viewer.console",
    "viewer.audience",
    "viewer.stage",
    "viewer.shelves",
    "viewer.site",
    "viewer.greeting",
    "viewer.server",
    "viewer.browser",
    "viewer",
    "cli.options",
    "cli.reporting",
    "cli.flying",
    "cli.asking",
    "cli.data",
    "cli.pilots",
    "cli.training",
    "cli.dagger",
    "cli.watching",
    "cli.reproducing",
    "cli",
    "__main__",
)
"""A module may import what stands above it, never what stands below. The package itself is free of imports."""


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ontick"):
            base = (node.module or "").removeprefix("ontick").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                found.add(inner if inner in ORDER else base)
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("ontick.") for alias in node.names if alias.name.startswith("ontick.")}
    return found - {""}


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


def test_every_module_has_its_place() -> None:
    assert {module_name(file) for file in FILES} == set(ORDER)


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_imports_go_one_way(file: Path) -> None:
    place = ORDER.index(module_name(file))
    below = {name for name in imported_modules(file) if ORDER.index(name) >= place}
    assert not below, f"{module_name(file)} imports {below}, which stand below it"


def test_only_the_command_line_knows_the_reports() -> None:
    users = {module_name(f) for f in FILES if any(name.startswith("report") for name in imported_modules(f))}
    assert {name.partition(".")[0] for name in users if not name.startswith("report")} == {"cli"}


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_every_module_says_which_question_it_answers_and_stays_short(file: Path) -> None:
    source = file.read_text()
    assert ast.get_docstring(ast.parse(source))
    assert len(source.splitlines()) <= 400


def test_asking_for_help_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "llama_cpp", "gymnasium", "matplotlib", "openai", "starlette", "uvicorn", "PIL")
    script = f"import sys, ontick.cli; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
