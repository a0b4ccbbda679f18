"""What may a controller answer? Its ``decide``, held to its contract."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import SupportsIndex, TypeAlias

from ontick.controllers.base import Controller, Decision, Observation
from ontick.errors import OntickError, blame

Ask: TypeAlias = Callable[[Observation], Decision]
"""A controller's ``decide``, held to its contract."""

ILLEGAL = "illegal"
"""The kind of failure of an answer that names an action that is not there."""


def asking(controller: Controller, actions: int) -> Ask:
    """Return ``controller.decide`` with illegal answers made invalid and its errors made readable.

    The returned callable raises `OntickError` when the controller raises anything else.
    """

    def ask(shown: Observation) -> Decision:
        try:
            return _legal(controller.decide(shown), actions)
        except OntickError:
            raise
        except (Exception, SystemExit) as error:
            raise OntickError(
                f"the controller failed on the observation of tick {shown.tick}: {blame(error)}"
            ) from error

    return ask


def _legal(decision: object, actions: int) -> Decision:
    """Turn NumPy's numbers into plain ones, and an action that is not there into an invalid answer.

    A plan is used up to its first action that is not there.

    Raises:
        TypeError: the decision is none.
    """
    if not isinstance(decision, Decision):
        raise TypeError(f"decide returned {decision!r}, which is no ontick.controllers.base.Decision")
    action, valid, delay, text, failure, _, _, _, _, then, at_tick, _, _, _ = decision
    if (
        type(action) is int
        and 0 <= action < actions
        and valid is True
        and delay == 0
        and text is None
        and failure is None
        and at_tick is None
        and not then
    ):
        return decision  # most are as they should be, and this is on every tick's path
    if action is not None:
        action = operator.index(action)
        valid = bool(valid) and 0 <= action < actions
    plan = _legal_beginning(then, actions) if valid and action is not None else ()
    failure = None if failure is None else str(failure)
    return decision._replace(
        action=action if valid else None,
        valid=bool(valid),
        delay=max(0, operator.index(delay)),
        text=None if text is None else str(text),
        failure=failure or (ILLEGAL if valid and len(plan) < len(then) else None),
        then=plan,
        at_tick=None if at_tick is None else operator.index(at_tick),
    )


def _legal_beginning(then: Sequence[SupportsIndex], actions: int) -> tuple[int, ...]:
    legal: list[int] = []
    for later in map(operator.index, then):
        if not 0 <= later < actions:
            break
        legal.append(later)
    return tuple(legal)
