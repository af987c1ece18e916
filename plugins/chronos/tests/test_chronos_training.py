"""What is learnt is what the worker will ask; see also ``plugins/tests``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]


def test_it_learns_the_workers_question_with_errors_weighted(
    direct: Callable[..., list], tmp_path: Path
):
    """The library's loss takes no weights: they reach the gradient all the same."""
    difference, gradient, mean = direct("trained", directory=str(tmp_path / "w"))
    assert difference < 1e-5
    assert gradient < 1e-4
    assert mean == pytest.approx(1)
