"""Did a recorded episode succeed, and if not, what kind of failure is it? As its task says, if that is known."""

from __future__ import annotations

from typing import NamedTuple

from ontick.errors import blame
from ontick.records import INTERRUPTED, Episode, Flight
from ontick.tasks.base import Task


class Judged(NamedTuple):
    """What a task says of an episode."""

    success: bool | None
    """None: what counts as success is not known."""
    failure: str | None = None
    """The kind of failure; None: it is none, or the kind is not known."""
    why_none: str | None = None
    """In one line, where the task's own judgement failed."""


def succeeded(task: Task | None, episode: Episode) -> bool | None:
    """Say whether an episode counts as a success; half of one does not. None: that cannot be known."""
    if episode.outcome == INTERRUPTED:
        return False
    try:
        return None if task is None else bool(task.succeeded(episode))
    except Exception:  # a task of the user's, which may have changed since
        return None


def judge(task: Task | None, flight: Flight) -> Judged:
    """Return what ``task`` says of a flight; half of one is no kind of failure. Its own errors are told, not raised."""
    success = succeeded(task, flight.episode)
    if task is None or success is not False or flight.episode.outcome == INTERRUPTED:
        return Judged(success)
    try:
        return Judged(success, task.failure(flight))
    except Exception as error:
        return Judged(success, None, f"what kind of failure it is cannot be said: {blame(error)}")
