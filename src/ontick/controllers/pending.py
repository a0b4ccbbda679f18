"""Which actions will act before an answer that is asked for now? Those already answered, and what the late rule makes.

What open requests will answer is not known to whoever asks now; it is known which of them will decide at which tick,
if they are as late as is expected. A policy that is made for its dead time is shown these actions behind the state, as
a row: the state's numbers, then a number for each pending action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ontick.clock import ns_from_ms, ns_from_s
from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.landing import LandingEstimate
from ontick.dead_time import NO_MORE, UNDECIDED, Aim, Awareness, landing_tick
from ontick.late import LateRule
from ontick.records import State
from ontick.tasks.base import Task

SHARE = 0.5
"""Half of the answers come sooner than is expected of one that acts on arrival."""


class Expected(NamedTuple):
    """What will act at a tick."""

    action: int | None
    """None: it depends on an answer that has not come yet."""
    request: int | None = None
    """The tick of the observation of the open request whose answer it depends on."""


class Look(NamedTuple):
    """What is known of the ticks to come when a request starts."""

    lands: int
    """The tick at which its answer is expected to act."""
    expected: tuple[Expected, ...]
    """What will act at the ticks before that, from the observation's on."""


def expected_actions(
    observation: Observation, lands: int, due: Mapping[int, int], late: LateRule, initial_action: int, noop: int
) -> tuple[Expected, ...]:
    """Return what will act at the ticks ``observation.tick`` … ``lands - 1``.

    An open request that is overdue lands at once, unless something is promised there, which it is then likely to be
    too old for.

    Args:
        observation: what is shown with the request that starts now.
        lands: the tick at which its answer will act.
        due: by the ticks of their observations, in order, where the open requests are expected to land.
        late: the late rule that is flown under.
        initial_action: what ``hold`` applies before the first answer.
        noop: what ``noop`` applies.
    """
    k, promised = observation.tick, observation.promised
    landing = {max(k, tick): request for request, tick in due.items()}  # in order: the newest stays
    held = Expected(initial_action if observation.last_action is None else observation.last_action)
    found: list[Expected] = []
    for tick in range(k, lands):
        known = promised[tick - k] if tick - k < len(promised) else None
        request = landing.get(tick)
        if request is not None and (known is None or due[request] >= tick):
            held = Expected(None, request)
        elif known is not None:
            held = Expected(known)
        elif late is LateRule.NOOP:
            found.append(Expected(noop))
            continue
        found.append(held)
    return tuple(found)


class Outlook:
    """Shows a policy the actions that act before its answer, and aims its answer, through one episode."""

    def __init__(self, task: Task, aware: Awareness) -> None:
        dead_time = aware.dead_time
        self.aware = aware
        self._late, self._initial_action, self._noop = dead_time.late, task.initial_action, task.noop
        self._tick = ns_from_s(task.tick_s)
        self._target = ns_from_ms(dead_time.target_ms) if dead_time.aim is Aim.TARGET else None
        self._estimate = LandingEstimate((ns_from_ms(dead_time.typical_ms),), SHARE, self._tick)
        self.looks: dict[int, Look] = {}
        """By the tick of the observation; requests run in several threads, and each writes its own."""
        self._said: dict[int, int | None] = {}

    def reset(self) -> None:
        """Forget the episode before."""
        self.looks.clear()
        self._said.clear()

    def ask(self, observation: Observation, answer: Callable[[Observation], Decision]) -> Decision:
        """Return what ``answer`` says when its state is the row, aimed if the dead time is."""
        look = self.look(observation)
        decision = answer(observation._replace(state=self.row(observation.state, look)))
        self._said[observation.tick] = decision.action
        if self._target is None or decision.at_tick is not None:
            return decision
        return decision._replace(at_tick=look.lands)

    def look(self, observation: Observation) -> Look:
        """Return what is known of the ticks to come, and keep it."""
        delay = self._target if self._target is not None else self._estimate.latency(observation.latencies)
        lands = landing_tick(observation.tick, observation.started, delay, self._tick)
        due = {other.tick: landing_tick(other.tick, other.started, delay, self._tick) for other in observation.open}
        expected = expected_actions(observation, lands, due, self._late, self._initial_action, self._noop)
        self.looks[observation.tick] = Look(lands, expected)
        return self.looks[observation.tick]

    def pending(self, look: Look) -> list[int]:
        """Return what is pending, one's own answers on their way among it; `UNDECIDED` where there is none.

        Whether these may be shown is `Awareness.memory`.
        """
        return [self._own(expected) if expected.action is None else expected.action for expected in look.expected]

    def row(self, state: State, look: Look) -> npt.NDArray[np.float32]:
        """Return the state and the pending actions that may be shown, shape (features + pending,)."""
        room = self.aware.pending
        codes = [
            expected.action if expected.action is not None else self._own(expected) if self.aware.memory else UNDECIDED
            for expected in look.expected[:room]
        ]
        codes += [NO_MORE] * (room - len(codes))
        return np.concatenate([state, codes], dtype=np.float32)

    def _own(self, expected: Expected) -> int:
        said = None if expected.request is None else self._said.get(expected.request)
        return UNDECIDED if said is None else said


def awareness_of(controller: object) -> Awareness | None:
    """Return what a controller is shown that is made for its dead time: it keeps an `Outlook` as ``outlook``."""
    outlook = getattr(controller, "outlook", None)
    return outlook.aware if isinstance(outlook, Outlook) else None


class Aware:
    """Shows ``inner`` rows, and keeps what it was shown.

    With ``plain`` it is shown the state alone, as whoever knows nothing of pending actions is.
    """

    def __init__(self, inner: Controller, outlook: Outlook, *, plain: bool = False) -> None:
        self.outlook = outlook
        self._inner = inner
        self._plain = plain

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner``."""
        self._inner.reset(seed)
        self.outlook.reset()

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner``."""
        if self._plain:
            return self.outlook.ask(observation, lambda _: self._inner.decide(observation))
        return self.outlook.ask(observation, self._inner.decide)
