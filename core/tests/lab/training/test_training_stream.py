from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import islice

import numpy as np
import pytest

from chronotick.lab.training import stream
from chronotick.lab.training.recipe import Recipe
from chronotick.lab.training.stream import EmptyPriorError, StreamEnded, batches, streaming
from chronotick.plugin.training.frames import Batch

ARRAYS = ("values", "noise", "target", "expected", "sigma", "step_s", "trend", "kind")


def assert_same(found: Iterable[Batch], expected: Iterable[Batch]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.validation == other.validation
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.timeout(120)
def test_the_same_batches_come_whatever_the_number_of_processes(recipe: Recipe) -> None:
    expected = list(islice(batches(recipe, 0), 7))
    with streaming(recipe, 2) as begin:
        assert_same(islice(begin(0), 7), expected)


def test_validation_comes_first_then_batches_of_the_size_asked_for(recipe: Recipe) -> None:
    found = list(islice(batches(recipe, 0), 5))
    assert [batch.validation for batch in found] == [True, True, False, False, False]
    assert all(len(batch) == recipe.data.batch for batch in found)


def test_a_stream_that_begins_later_goes_on_as_the_whole_one(recipe: Recipe) -> None:
    judged = recipe.data.validation_batches
    whole = list(islice(batches(recipe, 0), judged + 6))
    for first in (1, 2, 5):
        late = list(islice(batches(recipe, first), judged + 6 - first))
        assert_same(late[:judged], whole[:judged])
        assert_same(late[judged:], whole[judged + first :])


def test_a_late_beginning_makes_no_world_of_earlier_blocks(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    of_world = stream.of_world

    def noted(*arguments: object) -> object:
        made.append(arguments[1:3])
        return of_world(*arguments)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(stream, "of_world", noted)
    judged, block = recipe.data.validation_batches, recipe.data.batches_per_block
    list(islice(batches(recipe, 10 * block), judged + 1))
    learnt = [number for seed, number in made if seed == recipe.data.seed]
    assert min(learnt) == 10 * recipe.data.worlds


def test_worlds_of_a_block_are_mixed(recipe: Recipe) -> None:
    data = recipe.data.model_copy(update={"batch": 6})  # as many as a world has
    batch = next(islice(batches(recipe.model_copy(update={"data": data}), 0), 2, None))
    assert len({float(step) for step in batch.step_s}) > 1


def test_another_seed_gives_other_examples(recipe: Recipe) -> None:
    data = recipe.data.model_copy(update={"seed": recipe.data.seed + 1})
    place = recipe.data.validation_batches
    one = next(islice(batches(recipe, 0), place, None))
    other = next(islice(batches(recipe.model_copy(update={"data": data}), 0), place, None))
    assert not np.array_equal(one.target, other.target)


def test_a_stream_ends_when_it_is_told_to(recipe: Recipe) -> None:
    over = threading.Event()
    going = batches(recipe, 0, over=over)
    next(going)
    over.set()
    with pytest.raises(StreamEnded):
        list(islice(going, 20))


def test_a_prior_without_examples_says_so(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "of_world", lambda *_arguments: [])
    with pytest.raises(EmptyPriorError, match=r"Raise prior\.polls"):
        next(batches(recipe, 0))
