"""A controller that answers with the next actions, made from one that answers with the next: by rolling it forward."""

from __future__ import annotations

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.llm import LanguageModelController
from ontick.controllers.scripted import Nobody
from ontick.errors import OntickError
from ontick.forward import ForwardModel
from ontick.plans import check_chunk
from ontick.tasks.base import Task, no_forward_model


class RolledForward:
    """Asks ``inner`` what it does now, then what it would do in the state that follows from that, and so on.

    The plan is what ``inner`` answers to ``chunk`` states, those after the first as ``forward`` foresees them. It ends
    where ``inner`` abstains or names none of the task's ``actions``, and `Decision.failure` says so of the latter.
    ``inner`` must be quick: the answer takes ``chunk`` times as long.
    """

    def __init__(self, inner: Controller, forward: ForwardModel, chunk: int, actions: int) -> None:
        self._inner = inner
        self._forward = forward
        self._chunk = chunk
        self._actions = range(actions)

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner``."""
        self._inner.reset(seed)

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner`` about now and about what follows; an answer that is a plan already is left as it is."""
        first = now = self._inner.decide(observation)
        if first.then or first.at_tick not in (None, observation.tick):
            return first
        plan: list[int] = []
        while now.valid and now.action is not None and now.action in self._actions:
            plan.append(int(now.action))
            if len(plan) == self._chunk:
                return first._replace(then=tuple(plan[1:]))
            observation = _after(observation, plan[-1], self._forward)
            now = self._inner.decide(observation)
        if not plan:
            return first
        abstained = now.valid and now.action is None
        return first._replace(then=tuple(plan[1:]), failure=None if abstained else now.failure or "illegal")


def planning(controller: Controller, task: Task, chunk: int, forward: ForwardModel | None = None) -> Controller:
    """Return ``controller``, answering with plans of ``chunk`` ticks.

    A language model is asked for them (`ontick.controllers.catalog.Asking.chunk`), and nobody has none to give. Any
    other is rolled forward, through ``forward`` or else the task's own forward model.

    Raises:
        OntickError: there can be no such plan, or the task has no forward model.
    """
    check_chunk(chunk)
    if chunk == 1 or isinstance(controller, LanguageModelController | Nobody):
        return controller
    if forward is None and not task.has_forward_model:
        raise OntickError(f"--chunk {chunk} looks ahead: {no_forward_model(task)}, or leave --chunk out")
    return RolledForward(controller, forward or task.predict, chunk, len(task.actions))


def _after(observation: Observation, action: int, forward: ForwardModel) -> Observation:
    """Return what is foreseen a tick after ``observation``, once ``action`` has acted."""
    return observation._replace(
        state=forward(observation.state, (action,)),
        tick=observation.tick + 1,
        promised=observation.promised[1:],
        last_action=action,
    )
