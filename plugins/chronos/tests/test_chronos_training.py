"""What is learnt is what the worker will ask; see also ``plugins/tests``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]


def test_it_learns_the_workers_question_in_sigmas(direct: Callable[..., list], tmp_path: Path):
    difference, loss = direct("trained", directory=str(tmp_path / "w"))
    assert difference < 1e-5
    assert loss < 1e-5


def test_it_begins_as_the_estimator_within_a_normal(direct: Callable[..., list], tmp_path: Path):
    mean, low, high = direct("begun", directory=str(tmp_path / "w"))
    assert np.array_equal(mean, np.zeros((4, 64)))
    np.testing.assert_allclose(high, np.full((4, 64), 0.98), rtol=1e-3)
    np.testing.assert_allclose(np.add(low, high), 0, atol=1e-6)


def test_more_steps_than_were_learnt_are_refused(direct: Callable[..., list], tmp_path: Path):
    said = direct("asked_too_far", directory=str(tmp_path / "w"))
    assert said == "65 steps were asked for, these weights give 64"
