"""Which seeds are flown for what, so that what a policy learnt from is never what it is judged by?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ontick.errors import OntickError
from ontick.learning.dataset import seed_ranges
from ontick.pilots.card import first_free_seed

TRAINING_SEED = 2_000_000
"""Of the first flight that is collected; evaluations count from 0, the shipped examples from 1,000,000."""

SELECTION_SEED = 3_000_000
"""Of the first evaluation flight that chooses among checkpoints."""

DAGGER_SEED = 4_000_000
"""Of the first flight of a student that learns on."""

DYNAMICS_SEED = 5_000_000
"""Of the first flight that a forward model is fitted to."""


def check_apart(trained: Iterable[Sequence[int]], evaluated: Iterable[int]) -> None:
    """See that no evaluation flies a seed that was flown in training: such an episode would prove nothing.

    Args:
        trained: ranges [first, last], both included, as the cards of datasets and pilots keep them.
        evaluated: seeds.

    Raises:
        OntickError: some are the same; it names them and a first seed that would do.
    """
    ranges, seeds = [(first, last) for first, last in trained], set(evaluated)
    both = {seed for seed in seeds for first, last in ranges if first <= seed <= last}
    if both:
        free = first_free_seed(ranges, len(seeds))
        raise OntickError(
            f"{_say(both)} {'was' if len(both) == 1 else 'were'} flown in training, so episodes of "
            f"{'it' if len(both) == 1 else 'them'} prove nothing; evaluate with --seed {free}"
        )


def _say(seeds: set[int]) -> str:
    said = [str(first) if first == last else f"{first} to {last}" for first, last in seed_ranges(seeds)]
    more = f" and {len(said) - 3} more ranges" if len(said) > 3 else ""
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(said[:3])}{more}"
