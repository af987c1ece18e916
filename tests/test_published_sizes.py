"""Random weights of the published sizes: written, loaded by a real worker, and asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chronotick.config.schema import Workers
from chronotick.plugin import load_plugins
from chronotick.testing import loaded, random_checkpoint, walk

pytestmark = [pytest.mark.environment, pytest.mark.timeout(900)]

CONTEXT, HORIZON = 512, 64
PUBLISHED = {
    ("chronos", "bolt-small"): 47_718_016,
    ("chronos", "bolt-base"): 205_292_928,
    ("timesfm", "timesfm-2.5-200m"): 231_289_280,
    ("ttm", "512-96-r2"): 805_280,
    ("toto", "open-base"): 151_306_080,
    ("time-moe", "50M"): 113_352_192,
}


@pytest.mark.parametrize(("model", "size"), PUBLISHED, ids=[size for _, size in PUBLISHED])
def test_published_sizes_load_and_forecast(
    model: str, size: str, environment_of: Callable, environments: Path, tmp_path: Path
):
    """Nonsense, but from as many numbers as the published weights have."""
    spec = load_plugins().find(model)
    environment_of(spec)
    config = Workers(environments=environments, offline=True)
    checkpoint = random_checkpoint(spec, tmp_path / size, config, size)
    try:
        with loaded(spec, config, checkpoint=str(checkpoint)) as running:
            assert running.info.parameters == PUBLISHED[model, size]
            forecast = running.forecast(walk(CONTEXT), HORIZON)
    finally:
        shutil.rmtree(checkpoint)  # up to a gigabyte
    assert np.ptp(forecast.mean) > 0
    assert (forecast.quantiles is None) == (spec.output == "point")
