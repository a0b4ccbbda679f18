"""In which words are the options written that several verbs share?"""

from __future__ import annotations

from typing import Annotated

from tyro.conf import arg

from ontick.late import LateRule
from ontick.models.base import Reading

Task = Annotated[str, arg(metavar="TASK", help="cartpole, lunarlander, or a task of --task-module")]
Controller = Annotated[
    str,
    arg(
        metavar="CONTROLLER",
        help="teacher, none, random, smollm2, gguf:PATH, hf:PATH_OR_HUB_ID, api:PRESET/MODEL, api:URL#MODEL "
        "or python:FILE.py:NAME",
    ),
]
TaskAndController = Annotated[
    tuple[str, ...],
    arg(metavar="[TASK] CONTROLLER", help="What to ask, on which task's states; the task is cartpole unless given."),
]
_FORMS = "0, 40 (ms), lognormal:150,0.25 (median ms, sigma), trace:FILE"
LatencyModel = Annotated[
    str | None,
    arg(
        metavar="MODEL",
        help=f"What an answer takes in simulated time: {_FORMS} or measured.",
        help_behavior_hint="(default: 0)",
    ),
]
Delay = Annotated[
    str | None,
    arg(
        metavar="MODEL", help=f"Added to the controller's own latency: {_FORMS}.", help_behavior_hint="(default: none)"
    ),
]
TaskModule = Annotated[
    str | None,
    arg(
        metavar="FILE",
        help="A Python file or module that defines tasks of your own.",
        help_behavior_hint="(default: none)",
    ),
]
AnswerReading = Annotated[
    Reading | None,
    arg(
        help="score: compare the actions' tokens. generate: let the model write.",
        help_behavior_hint="(default: score; api: generate)",
    ),
]
Delays = Annotated[
    tuple[float, ...],
    arg(metavar="MS ...", help="Delays in milliseconds, the first 0.", help_behavior_hint="(default: 0 to 15 ticks)"),
]
Controllers = Annotated[
    tuple[str, ...], arg(metavar="CONTROLLER ...", help="As for eval; several of them, with blanks between.")
]
OneLateRule = Annotated[LateRule | None, arg(help="Only this late rule.", help_behavior_hint="(default: both)")]
