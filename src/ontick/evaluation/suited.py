"""Is a pilot that was trained for its dead time flown as it was trained?"""

from __future__ import annotations

from ontick.controllers.base import Controller
from ontick.controllers.pending import awareness_of
from ontick.controllers.prediction import Predict
from ontick.dead_time import Aim, Awareness
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.records import Json
from ontick.tasks.base import Task


def check_alone(word: str, controller: Controller, predict: Predict, chunk: int) -> None:
    """Refuse to foresee for a controller that was trained to foresee.

    Raises:
        OntickError: prediction or plans are asked of one.
    """
    if awareness_of(controller) is None:
        return
    if predict is not Predict.OFF:
        raise OntickError(f"{word} is shown what acts before its answer and foresees itself; leave --predict out")
    if chunk > 1:
        raise OntickError(f"{word} is shown what acts before its answer, of one action; fly it with --chunk 1")


def remarks(aware: Awareness | None, in_flight: int, late: LateRule, task: Task, decision_ms: Json) -> list[str]:
    """Return in which ways flights are not those that a pilot was trained for, a sentence each.

    ``decision_ms`` is the summary's: the ``p50`` and ``p99`` of how late the answers were, None without any.
    """
    if aware is None:
        return []
    dead_time = aware.dead_time
    found: list[str] = []
    if late is not dead_time.late:
        found.append(f"it was trained under --late {dead_time.late}, not {late}")
    if in_flight != dead_time.in_flight:
        found.append(f"it was trained with --in-flight {dead_time.in_flight}, not {in_flight}")
    middle, most = decision_ms["p50"], decision_ms["p99"]
    if middle is None or most is None:
        return found
    if dead_time.aim is Aim.TARGET and most > dead_time.target_ms + task.tick_ms:
        found.append(f"it aims its answers {dead_time.target_ms:.0f} ms ahead, and they took up to {most:.0f} ms")
    if dead_time.aim is Aim.ARRIVAL and abs(middle - dead_time.typical_ms) > task.tick_ms:
        found.append(f"it was trained for answers after {dead_time.typical_ms:.0f} ms, and they took {middle:.0f} ms")
    return found
