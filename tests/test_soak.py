"""The soak: what it calls growth, and that it can be run."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "bench" / "soak.py"


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("soak", SOAK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(*values: float) -> list[dict[str, float]]:
    return [{"polls": 100.0 * number, "objects": value} for number, value in enumerate(values)]


def test_a_short_run_on_the_virtual_host_takes_no_more_descriptors_and_threads(soak):
    rows = soak.soaked(200, points=4)
    assert len(rows) == 4
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[-1]["polls"] >= 200
    assert rows[-1]["measurements"] > rows[0]["measurements"] > 0
    later = [(row["descriptors"], row["threads"]) for row in rows[1:]]
    assert len(set(later)) == 1


def test_growth_is_told_and_what_moves_to_and_fro_is_none(soak, capsys):
    assert soak.verdict(rows_of(*range(1000, 1400, 20))) == 1
    assert "GROWS" in capsys.readouterr().out
    assert soak.verdict(rows_of(*[1000, 1003] * 10)) == 0
    assert "a leak of 0.021 a poll would show" in capsys.readouterr().out


def test_growth_in_the_warm_up_is_none(soak):
    assert soak.verdict(rows_of(*range(100, 1000, 100), *[1000] * 20)) == 0


def test_what_could_not_be_read_is_not_called_flat(soak):
    with pytest.raises(SystemExit, match="objects could not be read at every point"):
        soak.verdict(rows_of(*[1000.0] * 19, math.nan))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_too_short_a_run_is_refused_with_a_sentence(soak, count):
    with pytest.raises(SystemExit, match="a trend needs 3"):
        soak.verdict(rows_of(*[1000.0] * count))
