"""The verb that shows what was recorded: report. Its fields are the options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import Recorded, TaskModule
from ontick.errors import OntickError
from ontick.report.document.publish import publish
from ontick.report.terminal import progress_bar

REPORT = "report"
"""The folder of a run's report, in the run's own."""


@dataclass(frozen=True, kw_only=True)
class Report(Recorded):
    """One page that works from disk: verdict, tables, plots, replays of every flight. Markdown and plots beside it."""

    folders: Positional[
        Annotated[tuple[Path, ...], arg(metavar="RUN ...", help="Folders that runs left; several go side by side.")]
    ]
    to: Annotated[
        Path | None,
        arg(
            metavar="DIR",
            help="Where the report is left, in a folder of its own.",
            help_behavior_hint="(default: report/ in the run's folder; of several runs a new folder in --runs)",
        ),
    ] = None
    task_module: TaskModule = None

    def run(self) -> int:
        """Read, draw and write."""
        folders = [folder.expanduser() for folder in self.folders]
        if not folders:
            raise OntickError("there is nothing to report on; name folders of runs, such as runs/*")
        to = self.to.expanduser() if self.to else folders[0] / REPORT if len(folders) == 1 else self.folder(REPORT)
        with progress_bar(REPORT) as progress:
            result = publish(folders, to, self.task_module, progress)
        self.show(result, *result["notes"], f"text: {result['markdown']}", f"page: {result['html']}")
        return 0
