"""Seeds of training and of evaluation never overlap, and who overlaps them is told what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.errors import OntickError
from ontick.learning.dataset import seed_ranges
from ontick.learning.seeds import check_apart

SEEDS = st.sets(st.integers(0, 40), min_size=1)


@given(SEEDS, SEEDS)
def test_it_refuses_exactly_what_overlaps_and_names_a_seed_that_would_do(
    trained: set[int], evaluated: set[int]
) -> None:
    ranges = seed_ranges(trained)
    if not trained & evaluated:
        check_apart(ranges, evaluated)
        return
    with pytest.raises(OntickError, match="flown in training") as caught:
        check_apart(ranges, evaluated)
    first = int(str(caught.value).rpartition("--seed ")[2])
    check_apart(ranges, range(first, first + len(evaluated)))


def test_the_line_names_the_seeds() -> None:
    with pytest.raises(OntickError, match=r"^seeds 100 to 104 were flown in training"):
        check_apart([[100, 199]], range(95, 105))
    with pytest.raises(OntickError, match=r"^seed 7 was flown in training"):
        check_apart([[7, 7], [9, 9]], [7])
