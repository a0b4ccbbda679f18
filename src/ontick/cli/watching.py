"""The verb `watch`: a page in the browser on which controllers fly live. Fields are the options."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import INTERRUPTED, Controllers, Posed, Recorded, Task
from ontick.late import LateRule
from ontick.report.terminal import say_warning

if TYPE_CHECKING:
    from ontick.viewer.guard import Guard
    from ontick.viewer.stage import Programme

Replays = Annotated[
    tuple[Path, ...],
    arg(metavar="RUN ...", help="Recorded runs to list besides those in --runs.", help_behavior_hint="(default: none)"),
]
AddedMs = Annotated[float, arg(metavar="MS", help="Added to every answer's own latency; the page has a slider for it.")]


@dataclass(frozen=True, kw_only=True)
class Watch(Posed, Recorded):
    """A page in the browser: fly live, drag the latency, switch the late rule, take the controls yourself."""

    task: Positional[Task] = "cartpole"
    controllers: Positional[Controllers] = ("teacher",)
    late: LateRule = LateRule.HOLD
    """What a tick does without a fresh action: hold the last one, or nothing."""
    delay: AddedMs = 0.0
    port: int = 8765
    """Where to listen; 0: a free port."""
    host: str = "127.0.0.1"
    """Where to listen. Another address than this machine's own lets others fly and see the runs."""
    replay: Replays = ()
    browser: bool = False
    """Open the page in the default browser."""

    def run(self) -> int:
        """Serve the page until Ctrl-C."""
        from ontick.viewer.server import Place, serve

        programme = self._programme()
        place = Place(self.host, self.port, tuple(folder.expanduser() for folder in self.replay))
        with tempfile.TemporaryDirectory(prefix="ontick-") as private:
            ended_by = serve(place, programme, self._say_where(Path(private)))
        if ended_by is signal.SIGINT:
            say_warning(f"stopped; what was flown is in {programme.runs}")
            return INTERRUPTED
        return 0

    def _programme(self) -> Programme:
        """Return what the options ask for.

        Raises:
            OntickError: something in it cannot be.
        """
        from ontick.viewer.greeting import load_tasks
        from ontick.viewer.guard import is_loopback
        from ontick.viewer.settings import Settings, changed, page_may_fly
        from ontick.viewer.stage import Programme

        tasks = load_tasks(self.task, self.task_module)
        words = list(self.controllers)
        asked = {"task": self.task, "controllers": words, "seed": self.seed, "in_flight": self.in_flight}
        settings = changed(Settings(late=self.late), {**asked, "delay_ms": self.delay}, lambda word: True)
        base = self.setup(self.task, "")
        may_fly = page_may_fly(self.controllers, is_loopback(self.host))
        return Programme(settings, base, self.runs.expanduser(), tasks, may_fly)

    def _say_where(self, private: Path) -> Callable[[Guard], None]:
        def opened(guard: Guard) -> None:
            from ontick.viewer.browser import open_browser
            from ontick.viewer.guard import exposure, is_loopback

            for line in () if is_loopback(guard.host) else exposure(guard):
                say_warning(line)
            where = {"url": guard.url, "host": guard.host, "port": guard.port, "runs": str(self.runs)}
            self.show(where, f"open {guard.url} (Ctrl-C ends it)")
            if self.browser and not open_browser(guard.url, private):
                say_warning("no browser was found; open the address above in one")

        return opened
