"""docs/scoring.md names every score, column, option and public function."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import chronotick.lab.scoring
from chronotick.lab.scoring import COMPARABLE, SCORES, leaderboard, pairwise
from chronotick.lab.scoring.clusters import CLUSTERS, FEW_HOSTS
from chronotick.lab.scoring.failures import STRATEGIES
from chronotick.lab.scoring.resampling import METHODS
from chronotick.lab.scoring.residuals import FEWEST
from chronotick.lab.scoring.standing import LARGEST_RATIO, LEAST_RATIO

PAGE = (Path(__file__).parents[3] / "docs" / "scoring.md").read_text(encoding="utf-8")
KNOWN_TO_PYTHON = {"scores", "metric", "bootstrap", "seed", "leaked"}


@pytest.mark.parametrize("name", [*SCORES, *STRATEGIES, *chronotick.lab.scoring.__all__])
def test_every_score_strategy_and_function_is_on_the_page(name: str):
    assert re.search(rf"\b{name}\b", PAGE)


def test_the_metrics_to_compare_by_are_listed():
    listed = re.search(r"By the metrics of which less is better \((.*?)\)", PAGE)
    assert listed
    assert re.findall(r"`(\w+)`", listed[1]) == list(COMPARABLE)
    assert set(COMPARABLE) < set(SCORES)


def test_every_option_of_a_comparison_is_on_the_page():
    for function in (leaderboard, pairwise):
        for name in inspect.signature(function).parameters.keys() - KNOWN_TO_PYTHON:
            assert re.search(rf"`{name}\b", PAGE), name
    for name, values in (("cluster", CLUSTERS), ("interval", METHODS)):
        for value in values:
            assert f'`{name}="{value}"`' in PAGE


def test_numbers_on_the_page_are_those_of_the_code():
    assert f"[{LEAST_RATIO:g}, {LARGEST_RATIO:g}]" in PAGE
    assert f"below {FEW_HOSTS} hosts a warning" in PAGE
    assert f"Below {FEWEST} residuals there are none" in PAGE


def test_the_public_face_is_complete():
    for name in chronotick.lab.scoring.__all__:
        assert getattr(chronotick.lab.scoring, name).__doc__, name
