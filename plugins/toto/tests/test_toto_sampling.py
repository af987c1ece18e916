"""Distributions and what lies beyond them, compared with the library's own on random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chronotick.testing import walk

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]

Ask = Callable[..., list]


def standard(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    return (values - np.nanmean(by)) / np.nanstd(by)


def test_sampling_walks_as_the_library_does(tiny_weights: Path, tmp_path: Path, direct: Ask):
    """Where distributions are points there is one path, and it is the library's, three patches on.

    That compares what was read once and shared with the library's own keys and values.
    """
    checkpoint = str(tmp_path / "certain")
    direct("certain", source=str(tiny_weights), target=checkpoint)
    values = walk(300)
    path = direct(
        "means", checkpoint=checkpoint, values=standard(values, values)[0].tolist(), horizon=200
    )
    ours = direct(
        "ours", checkpoint=checkpoint, values=values.tolist(), horizon=200, levels=[0.1, 0.5, 0.9]
    )
    found = standard(np.array(ours)[0], values)
    np.testing.assert_allclose(found, np.tile(np.array(path)[:, np.newaxis], 3), atol=1e-4)
    assert np.std(path) > 0.01


def test_samples_are_distributed_as_the_librarys(tiny_weights: Path, direct: Ask):
    """Seeded on both sides. Errors are compared with the width of the library's own 80 %."""
    values, levels = walk(512), [0.1, 0.5, 0.9]
    question = {"checkpoint": str(tiny_weights), "horizon": 150, "levels": levels}
    library = np.array(
        direct("samples", values=standard(values, values)[0].tolist(), count=2000, **question)
    )
    ours = standard(np.array(direct("ours", values=values.tolist(), **question))[0], values)
    error = (ours - library) / (library[:, 2:] - library[:, :1])
    assert np.abs(error[64:].mean(axis=0)).max() < 0.03
    assert np.abs(error).max() < 0.25


def test_torchs_own_random_numbers_are_left_alone(tiny_weights: Path, direct: Ask):
    question = {"checkpoint": str(tiny_weights), "values": walk(64).tolist(), "horizon": 100}
    assert direct("state", **question) == [True]


def test_mixtures_are_inverted_exactly(direct: Ask):
    levels = [1e-4, 0.01, 0.1, 0.25, 0.5, 0.5001, 0.75, 0.9, 0.99, 0.9999]
    for error, least_step in direct("inversion", rows=200, components=24, levels=levels):
        assert error < 1e-10
        assert least_step > 0
