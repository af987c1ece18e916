from __future__ import annotations

import pytest

from chronotick.lab.training.recipe import Recipe

SMALL = {
    "prior": {"polls": [60, 90], "servers": [1], "poll_s": [16, 256]},
    "data": {
        "batch": 8,
        "windows": 6,
        "worlds": 3,
        "validation_worlds": 2,
        "validation_windows": 8,
    },
}


@pytest.fixture
def recipe() -> Recipe:
    """Worlds of a minute's measurements: a batch takes a fraction of a second."""
    return Recipe.model_validate(SMALL)
