"""How many windows are asked for at once, and what is done where a batch fails."""

from __future__ import annotations

import pytest

from chronotick.lab.comparing.sessions import FIRST_BATCH, BatchSize

MIB = 2**20
PLENTY = 10**12


def feed(size: BatchSize, seconds_of: float, peak: int = 100 * MIB) -> list[int]:
    """Sizes of twelve full batches whose time grows with the power ``seconds_of`` of their size."""
    sizes = []
    for _ in range(12):
        sizes.append(size.size)
        size.learn(size.size, float(size.size) ** seconds_of, peak)
    return sizes


def test_batches_grow_while_that_pays():
    assert feed(BatchSize(most=512, budget_bytes=PLENTY), 0.5)[:6] == [16, 32, 64, 128, 256, 512]


def test_batches_do_not_grow_where_time_is_proportional():
    assert set(feed(BatchSize(most=512, budget_bytes=PLENTY), 1.0)[2:]) == {32}


def test_a_batch_that_turned_out_slower_is_taken_back():
    assert feed(BatchSize(most=512, budget_bytes=PLENTY), 1.5)[:4] == [16, 32, 16, 16]


@pytest.mark.parametrize("most", [1, 2, 15, 16, 17, 100, 512])
def test_there_are_never_more_than_the_most(most: int):
    sizes = feed(BatchSize(most=most, budget_bytes=PLENTY), 0.1)
    assert max(sizes) <= most
    assert sizes[0] == min(FIRST_BATCH, most)


def test_batches_stop_before_memory_is_full():
    """A batch of 64 took 40 MiB more than one of 32: twice that is beyond the budget of 200."""
    size = BatchSize(most=512, budget_bytes=200 * MIB)
    size.learn(1, 1.0, 100 * MIB)
    for peak in (110, 120, 160, 160, 160):
        size.learn(size.size, 1.0, peak * MIB)
    assert size.size == 64


def test_weights_are_not_taken_for_the_cost_of_a_batch():
    """The memory that a model has before the first batch does not grow with it."""
    size = BatchSize(most=64, budget_bytes=1000 * MIB)
    size.learn(1, 1.0, 600 * MIB)
    size.learn(FIRST_BATCH, 1.0, 601 * MIB)
    assert size.size == 2 * FIRST_BATCH


def test_small_batches_decide_nothing():
    size = BatchSize(most=64, budget_bytes=PLENTY)
    for _ in range(5):
        size.learn(FIRST_BATCH - 1, 1e-9, MIB)
    assert size.size == FIRST_BATCH


def test_a_limit_is_for_good():
    size = BatchSize(most=64, budget_bytes=PLENTY)
    size.limit(4)
    assert set(feed(size, 0.1)) == {4}


def test_a_budget_is_found_by_itself():
    size = BatchSize()
    size.learn(FIRST_BATCH, 1.0, MIB)
    assert size.size == 2 * FIRST_BATCH
