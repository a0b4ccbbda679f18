"""What is a task? An environment, the rate of its world, and what counts as doing well in it.

Any Gymnasium environment with discrete actions becomes a task by subclassing `Task` outside this package
(docs/add-a-task.md). Controllers choose among ``actions``; the no-op may lie beyond them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from ontick.errors import OntickError
from ontick.records import Episode, Flight, State
from ontick.tasks.gauges import gauges, needles
from ontick.tasks.picture import Picture, Poses

if TYPE_CHECKING:
    import gymnasium as gym
    import numpy as np

Environment: TypeAlias = "gym.Env[Any, Any]"

RESERVED = frozenset({"n", "late", "delay_ms", "way", "in_flight", "chunk", "predict", "success", "summary"})
"""Words that reports use themselves."""


class Feature(NamedTuple):
    """One entry of the observation vector."""

    name: str
    unit: str
    decimals: int
    """How many decimals are worth saying."""
    limit: float = 1.0
    """The magnitude beyond which it makes no difference to a policy how large the value is."""


class Example(NamedTuple):
    """A state and what the teacher does there."""

    state: tuple[float, ...]
    action: int


class Diagnostic(NamedTuple):
    """A state in which no one could doubt what is right."""

    state: tuple[float, ...]
    right: frozenset[int]
    """The actions that are right there."""
    situation: str
    """In a few words."""


class Ending(NamedTuple):
    """How an episode ended, all that its outcome is judged by."""

    steps: int
    reward: float
    """Total, as Gymnasium gives it."""
    final_observation: State
    truncated: bool
    """The environment's time limit was reached."""


class Task(ABC):
    """A Gymnasium environment with discrete actions, as a world that ticks and never waits."""

    name: ClassVar[str]
    """How the command line calls it."""
    env_id: ClassVar[str]
    """What ``gymnasium.make`` calls it."""
    tick_s: ClassVar[float]
    """The environment's own physics step, in seconds."""
    actions: ClassVar[tuple[str, ...]]
    """What a controller chooses from: names of the actions 0, 1, …"""
    noop: ClassVar[int]
    """The action that means "do nothing"."""
    noop_name: ClassVar[str]
    initial_action: ClassVar[int]
    """What the hold rule applies before the controller's first answer."""
    features: ClassVar[tuple[Feature, ...]]
    """One per entry of the observation vector, in its order."""
    instruction: ClassVar[str]
    """What a language model is told: the situation and the goal, in a sentence or two."""
    success: ClassVar[str]
    """Which of `measures` the verdict counts."""

    examples: ClassVar[tuple[Example, ...]] = ()
    """What a language model may be shown first; the actions take turns, so that any beginning is balanced."""
    diagnostics: ClassVar[tuple[Diagnostic, ...]] = ()
    """Static states that a policy is probed with."""
    box: ClassVar[tuple[tuple[float, float], ...]] = ()
    """The lowest and highest value of each feature among sampled states; by default plus and minus its limit."""

    keys: ClassVar[Mapping[str, int]] = {}
    """Which action a person's key means, by the browser's ``KeyboardEvent.key``; by default the digits from 0 on."""

    @property
    @abstractmethod
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        """What is counted over episodes, by the name that reports use."""

    @abstractmethod
    def outcome(self, ending: Ending) -> str:
        """Name how an episode ended, in a word."""

    def failure(self, flight: Flight) -> str | None:
        """Name what kind of failure an episode is, in a word or three; None if it is a success.

        It is read from the record alone, whose ticks may have been left out. By default the outcome.
        """
        return None if self.succeeded(flight.episode) else flight.episode.outcome

    def teacher(self, env: Environment, observation: State) -> int:
        """Return a good action for ``observation``; ``env`` is there for its constants, never for its state.

        Raises:
            OntickError: this task has no teacher.
        """
        raise no_teacher(self)

    def predict(self, observation: State, actions: Sequence[int]) -> State:
        """Return the observation that follows once each of ``actions`` (the no-op too) has acted for a tick, in order.

        It is the task's forward model, so that a controller can be shown the state in which its answer will land; no
        actions give ``observation`` back. Both are of shape (features,). Called at every decision: a few microseconds
        a tick are fine. The episode's end is not its concern.

        Raises:
            OntickError: this task has no forward model.
        """
        raise no_forward_model(self)

    def scenery(self, env: Environment) -> Sequence[float]:
        """Return what stands still in this episode's picture and differs from episode to episode.

        ``env`` has just been reset. The record keeps it, so that a replay needs no environment. By default nothing.
        """
        return ()

    def picture(self, scenery: Sequence[float]) -> Picture:
        """Return how an episode with this ``scenery`` is drawn; it may be empty, in records that have none.

        By default a gauge a feature, from minus to plus its limit.
        """
        return gauges([feature.name for feature in self.features])

    def poses(self, observation: State, action: int | None) -> Poses:
        """Return where the picture's bodies are in a state, shape (features,), on which ``action`` acts; None: none.

        Override it together with `picture`.
        """
        pairs = zip(observation.tolist(), self.features, strict=True)
        return needles([value / feature.limit for value, feature in pairs])

    def push(self, env: Environment, rng: np.random.Generator) -> None:
        """Give the body that flies in ``env`` a small random blow between two ticks; all chance comes from ``rng``.

        Raises:
            OntickError: this task's body cannot be pushed.
        """
        raise OntickError(f"task {self.name!r} cannot be pushed; use noise of actions instead, or override Task.push")

    @property
    def sampling_box(self) -> tuple[tuple[float, float], ...]:
        """The lowest and highest value of each feature among sampled states.

        Raises:
            OntickError: `box` does not fit the features.
        """
        box = self.box or tuple((-feature.limit, feature.limit) for feature in self.features)
        if len(box) != len(self.features) or not all(map(_is_range, box)):
            raise OntickError(
                f"task {self.name!r}: box must give (low, high) for each of its features; mend or drop it"
            )
        return box

    @property
    def actions_of_keys(self) -> Mapping[str, int]:
        """Which action a person's key means."""
        return self.keys or {str(action): action for action in range(min(10, len(self.actions)))}

    @property
    def has_teacher(self) -> bool:
        """Whether this task overrides `teacher`."""
        return type(self).teacher is not Task.teacher

    @property
    def has_forward_model(self) -> bool:
        """Whether this task overrides `predict`."""
        return type(self).predict is not Task.predict

    def make(self) -> Environment:
        """Return a new environment whose observations are vectors and whose ``step`` takes the no-op too."""
        import gymnasium as gym

        env: Environment = gym.make(self.env_id, disable_env_checker=True)
        if not isinstance(env.action_space, gym.spaces.Discrete):
            raise OntickError(f"{self.env_id} has no discrete actions; Ontick flies discrete actions only")
        if env.action_space.start != 0 or env.action_space.n < len(self.actions):
            raise OntickError(
                f"task {self.name!r} names {len(self.actions)} actions from 0, but {self.env_id} has "
                f"{env.action_space.n} from {env.action_space.start}; name those"
            )
        space: Any = env.observation_space
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
            return gym.wrappers.FlattenObservation(env)
        return env

    def action_name(self, action: int) -> str:
        """Return the name of an action or of the no-op."""
        return self.actions[action] if 0 <= action < len(self.actions) else self.noop_name

    def succeeded(self, episode: Episode) -> bool:
        """Say whether an episode counts as a success."""
        return self.measures[self.success](episode)

    @property
    def tick_ms(self) -> float:
        """The tick in milliseconds."""
        return self.tick_s * 1e3

    def check(self) -> None:
        """Refuse a task that contradicts itself.

        Raises:
            OntickError: with the first contradiction found.
        """
        missing = [name for name in _REQUIRED if not hasattr(type(self), name)]
        if missing:
            raise OntickError(
                f"task {type(self).__name__} does not say its {', '.join(missing)}; add them to the class"
            )
        problems = (
            (not _is_positive(self.tick_s), "tick_s must be a positive number of seconds"),
            (len(self.actions) < 2, "actions must name at least two actions"),
            (bool(RESERVED & set(self.measures)), f"none of its measures may be called {sorted(RESERVED)}"),
            (not 0 <= self.initial_action < len(self.actions), "initial_action must be one of the actions"),
            (not set(self.keys.values()) <= {*range(len(self.actions)), self.noop}, "keys must mean its actions"),
            (self.success not in self.measures, f"success must be one of its measures {sorted(self.measures)}"),
        )
        for wrong, why in problems:
            if wrong:
                raise OntickError(f"task {self.name!r}: {why}")


def _is_positive(value: object) -> bool:
    """Say whether this is a usable duration: at least a microsecond, and finite."""
    return isinstance(value, int | float) and math.isfinite(value) and value >= 1e-6


def _is_range(ends: tuple[float, float]) -> bool:
    """Say whether this is a finite (low, high)."""
    low, high = ends
    return math.isfinite(low) and math.isfinite(high) and low <= high


def no_teacher(task: Task) -> OntickError:
    """Return the error for asking the teacher of a task without one."""
    return OntickError(f"task {task.name!r} has no teacher; give it one by overriding Task.teacher")


def no_forward_model(task: Task) -> OntickError:
    """Return the error for asking the forward model of a task without one."""
    return OntickError(
        f"task {task.name!r} has no forward model; fit one with `ontick train {task.name} dynamics --to DIR` and give "
        "--dynamics DIR, or override Task.predict"
    )


_REQUIRED = (
    "name",
    "env_id",
    "tick_s",
    "actions",
    "noop",
    "noop_name",
    "initial_action",
    "features",
    "instruction",
    "success",
)
