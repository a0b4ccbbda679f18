"""How far ahead is a controller shown the state, and is there anything to be seen there?"""

from __future__ import annotations

from dataclasses import dataclass

from ontick.clock import NS_PER_MS, Nanoseconds, ns_from_s
from ontick.controllers.base import Controller
from ontick.controllers.landing import LandingEstimate
from ontick.controllers.prediction import SHARES, Between, Predict, Predicting
from ontick.durations import in_ms
from ontick.errors import OntickError
from ontick.evaluation.beforehand import with_delay
from ontick.forward import ForwardModel
from ontick.late import LateRule
from ontick.latency import LatencyModel
from ontick.tasks.base import Environment, Task

LONGEST_EPISODE = 1000
"""In ticks, where an environment sets no limit: the farthest that is predicted."""


@dataclass(frozen=True)
class Foresight:
    """What it takes to show a controller the state in which its answer will land."""

    task: Task
    forward: ForwardModel
    mode: Predict
    late: LateRule
    own: list[Nanoseconds]
    """Latencies of the controller itself, without the delay that is added to it."""
    farthest_ticks: int
    """How long an episode lasts."""
    stand_in: Controller | None
    """Guesses what requests under way will be answered with; None: no one does."""

    def around(self, controller: Controller, delay: LatencyModel | None) -> Predicting:
        """Return ``controller`` being shown what will be, its answers coming ``delay`` later than it gives them.

        Raises:
            OntickError: that is beyond the episode's end.
        """
        task = self.task
        tick = ns_from_s(task.tick_s)
        prior = with_delay(self.own, delay)
        latest = LandingEstimate(prior, SHARES[Predict.TARGET], tick).latency(())
        if latest >= self.farthest_ticks * tick:
            raise OntickError(
                f"--predict {self.mode} cannot look so far ahead: 5 % of the answers take {in_ms(latest / NS_PER_MS)} "
                f"or more, and an episode of {task.name} ends after {in_ms(self.farthest_ticks * task.tick_ms)}; "
                "give a shorter latency or delay"
            )
        between = Between(self.late, task.initial_action, task.noop, self.stand_in)
        return Predicting(controller, self.forward, self.mode, tick, prior, between, self.farthest_ticks)


def episode_ticks(env: Environment) -> int:
    """Return after how many ticks an environment ends an episode at the latest."""
    return (env.spec and env.spec.max_episode_steps) or LONGEST_EPISODE
