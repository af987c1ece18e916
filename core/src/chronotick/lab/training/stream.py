"""The batches of a recipe, in an order that nothing but the recipe decides.

Worlds are numbered, and what is in one depends on its number alone. So many of them make a block,
whose examples are mixed and cut into batches. A stream can begin at any batch: only the blocks from
there on are made. Processes make worlds side by side; they do not decide what comes when.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.offspring import leave_with_parent
from chronotick.lab.training.examples import COLUMNS, of_world
from chronotick.lab.training.prior import Prior
from chronotick.lab.training.recipe import Recipe
from chronotick.plugin.training.frames import Batch

MIXING = 2  # spawn key of the order within a block, beside those of worlds and origins
AHEAD = 3  # worlds per process that are made before they are needed
NICE = 5  # the network that learns comes first: batches are made ahead
_FLOAT32 = ("values", "noise", "target", "expected", "sigma")

Arrays = dict[str, NDArray[np.generic]]


class StreamEnded(Exception):  # noqa: N818 - it was wanted
    """Raised within a stream when nobody wants more of it."""


class EmptyPriorError(ValueError):
    """Raised when all worlds of a block have no example: too short, or nothing was measured."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A world, and how many examples of it."""

    prior: Prior
    seed: int
    number: int
    windows: int


@contextmanager
def streaming(
    recipe: Recipe, processes: int = 1, over: threading.Event | None = None
) -> Iterator[Callable[[int], Iterator[Batch]]]:
    """Make batches for as long as the context is open.

    Args:
        recipe: which ones.
        processes: that make worlds; 1: this one does.
        over: raises `StreamEnded` soon after it is set, also between two batches.

    Yields:
        A function that begins the stream at a batch: those for validation, then that one and all
        after it, without end.
    """
    if processes == 1:
        yield partial(batches, recipe, over=over)
        return
    with _pool(processes) as pool:
        make = partial(_in_order, pool, AHEAD * processes)
        yield partial(batches, recipe, make=make, over=over)


Make = Callable[[Callable[[Wanted], Arrays], Iterator[Wanted]], Iterator[Arrays]]


def batches(
    recipe: Recipe, first: int, *, make: Make = map, over: threading.Event | None = None
) -> Iterator[Batch]:
    """The batches for validation, then all from a batch on.

    Args:
        recipe: which ones.
        first: number of the first batch to learn from.
        make: applies a function to one world after the other.
        over: ends the stream.
    """
    prior, data = recipe.prior, recipe.data
    block, skipped = divmod(first, data.batches_per_block)
    judging = (
        Wanted(prior, data.validation_seed, number, data.validation_windows)
        for number in range(data.validation_worlds)
    )
    learning = (
        Wanted(prior, data.seed, number, data.windows) for number in count(block * data.worlds)
    )
    # One queue for both: worlds to learn from are made while the last for validation are.
    worlds = _until(over or threading.Event(), make(_world, chain(judging, learning)))
    judged = _pooled(islice(worlds, data.validation_worlds))
    yield from _cut(judged, data.batch, data.validation_batches, validation=True)
    for number in count(block):
        pooled = _pooled(islice(worlds, data.worlds))
        mixed = _mixed(pooled, data.seed, number)
        yield from islice(_cut(mixed, data.batch, data.batches_per_block), skipped, None)
        skipped = 0


def _until(over: threading.Event, worlds: Iterator[Arrays]) -> Iterator[Arrays]:
    for world in worlds:
        if over.is_set():
            raise StreamEnded
        yield world


def _world(wanted: Wanted) -> Arrays:
    """The examples of a world, as arrays."""
    found = of_world(wanted.prior, wanted.seed, wanted.number, wanted.windows)
    columns: Arrays = {}
    for name in COLUMNS:
        told = [getattr(example, name) for example in found]
        columns[name] = np.array(told, dtype=np.float32 if name in _FLOAT32 else None)
    return columns


def _pooled(worlds: Iterator[Arrays]) -> Arrays:
    """The examples of several worlds, one after the other."""
    filled = [world for world in worlds if len(world["kind"])]
    if not filled:
        raise EmptyPriorError(
            "no world of the prior has an example: nothing was measured long enough. "
            "Raise prior.polls or prior.longest_s, or lower prior.poll_s"
        )
    return {name: np.concatenate([world[name] for world in filled]) for name in COLUMNS}


def _mixed(pooled: Arrays, seed: int, block: int) -> Arrays:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(MIXING, block)))
    order = rng.permutation(len(pooled["kind"]))
    return {name: array[order] for name, array in pooled.items()}


def _cut(pooled: Arrays, size: int, number: int, *, validation: bool = False) -> Iterator[Batch]:
    """Cut into so many batches; where worlds gave fewer examples than they should, some again."""
    places = np.resize(np.arange(len(pooled["kind"])), number * size)
    for begin in range(0, number * size, size):
        chosen = places[begin : begin + size]
        columns = {name: array[chosen] for name, array in pooled.items()}
        yield Batch(**columns, validation=validation)  # type: ignore[arg-type] # by name


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_calm)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _calm() -> None:
    """Leave Ctrl-C to the parent, which ends this process, and the cores to whoever learns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    leave_with_parent()


def _in_order(
    pool: ProcessPoolExecutor,
    ahead: int,
    work: Callable[[Wanted], Arrays],
    wanted: Iterator[Wanted],
) -> Iterator[Arrays]:
    """Results in the order of what is wanted, some of it made before it is asked for."""
    coming: deque[Future[Arrays]] = deque(pool.submit(work, each) for each in islice(wanted, ahead))
    while coming:
        found = coming.popleft().result()
        coming.extend(pool.submit(work, each) for each in islice(wanted, 1))
        yield found
