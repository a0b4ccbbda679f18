"""How is a controller shown the state in which its answer will land, in place of the one that was?

The idea is the Smith predictor's (O. J. M. Smith, "Closer control of loops with dead time", 1957): a forward model
runs ahead of the plant by the dead time. From the observed state the actions that will act before the answer lands
are rolled forward: those answered already, those that requests under way will be answered with, as far as a stand-in
for the controller can guess them, and what the late rule does in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from ontick.clock import Nanoseconds
from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.landing import LandingEstimate
from ontick.forward import ForwardModel
from ontick.late import LateRule


class Predict(StrEnum):
    """Which state a controller is shown."""

    OFF = "off"
    """The one that was observed."""
    ESTIMATE = "estimate"
    """The one in which half of the answers will have come; an answer acts as soon as it comes."""
    TARGET = "target"
    """The one in which 95 % of them will have come; an answer waits until then, so that the delay is constant."""


SHARES = {Predict.ESTIMATE: 0.5, Predict.TARGET: 0.95}
"""Which quantile of the latencies so far is aimed at."""


class Between(NamedTuple):
    """What acts at the ticks for which nothing has been answered."""

    late: LateRule
    initial_action: int
    noop: int
    stand_in: Controller | None = None
    """Guesses what a request under way will be answered with; None: as if it never were."""


class _Guess(NamedTuple):
    """What a request under way is thought to be answered with."""

    lands: int
    actions: tuple[int, ...]


class Predicting:
    """Shows ``inner`` the state foreseen for the tick at which its answer will land, with that tick's number."""

    def __init__(
        self,
        inner: Controller,
        forward: ForwardModel,
        mode: Predict,
        tick: Nanoseconds,
        prior: Sequence[Nanoseconds],
        between: Between,
        farthest_ticks: int,
    ) -> None:
        self._inner = inner
        self._forward = forward
        self._mode = mode
        self._between = between
        self._farthest_ticks = farthest_ticks
        """No further than an episode lasts."""
        self._landing = LandingEstimate(prior, SHARES[mode], tick)
        self._guesses: dict[int, _Guess] = {}
        """By the tick of the observation; requests run in several threads, and each writes its own."""

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner`` and of the stand-in."""
        self._inner.reset(seed)
        self._guesses.clear()
        if self._between.stand_in is not None:
            self._between.stand_in.reset(seed)

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner`` about the state at the landing."""
        latency = self._landing.latency(observation.latencies)
        lands = self._landing.tick(observation.started, latency)
        lands = min(lands, observation.tick + self._farthest_ticks)
        if lands <= observation.tick:
            return self._inner.decide(observation)
        shown = self._foresee(observation, lands)
        if self._between.stand_in is not None:
            guess = self._between.stand_in.decide(shown)
            if guess.action is not None:
                self._guesses[observation.tick] = _Guess(lands, (guess.action, *guess.then))
        decision = self._inner.decide(shown)
        waits = decision.at_tick is None and (decision.then or self._mode is Predict.TARGET)
        return decision._replace(
            at_tick=lands if waits else decision.at_tick,
            foreseen_tick=lands,
            foreseen=tuple(shown.state.tolist()),
        )

    def _foresee(self, observation: Observation, lands: int) -> Observation:
        """Roll the state forward to the tick at which the answer lands."""
        late, initial_action, noop, _ = self._between
        tick, promised = observation.tick, observation.promised
        held = initial_action if observation.last_action is None else observation.last_action
        answered = self._answered(observation) if observation.open else list(promised)
        coming: list[int] = []
        for ahead in range(lands - tick):
            action = answered[ahead] if ahead < len(answered) else None
            if action is not None:
                held = action
            coming.append(action if action is not None else held if late is LateRule.HOLD else noop)
        state = self._forward(observation.state, coming)
        return observation._replace(state=state, tick=lands, promised=promised[lands - tick :], last_action=held)

    def _answered(self, observation: Observation) -> list[int | None]:
        """Return what will have been answered for the observation's tick and those after it, as far as can be guessed.

        A request under way is on a newer observation than what is promised, so its plan replaces that, unless it is
        overdue: then one on a newer observation may come before it, and it only fills what is left.
        """
        tick, known = observation.tick, dict(enumerate(observation.promised, observation.tick))
        oldest = observation.open[0].tick
        for past in [past for past in self._guesses if past < oldest]:
            del self._guesses[past]
        for other in observation.open:
            guess = self._guesses.get(other.tick)
            if guess is None:
                continue
            overdue = max(0, tick - guess.lands)
            for later, action in enumerate(guess.actions[overdue:] or guess.actions[-1:], guess.lands + overdue):
                if not overdue or known.get(later) is None:
                    known[later] = action
        return [known.get(later) for later in range(tick, max(known, default=tick - 1) + 1)]
