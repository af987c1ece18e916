"""Rows of a comparison in parts: the same rows, in frames that stay small."""

from __future__ import annotations

import pandas as pd
import pytest

from chronotick.lab.comparing import Comparison
from chronotick.lab.comparing.frames import PART, parts_of
from chronotick.lab.comparing.rows import SCHEMA
from chronotick.lab.scoring import scores

KEYS = ["model", "trace", "horizon_s", "origin_s"]


def in_order(frames: list[pd.DataFrame]) -> pd.DataFrame:
    texts = [name for name in frames[0] if not pd.api.types.is_numeric_dtype(frames[0][name])]
    plain = [each.astype(dict.fromkeys(texts, object)) for each in frames]
    return pd.concat(plain).sort_values(KEYS, ignore_index=True)


@pytest.fixture
def fresh(compared: Comparison) -> Comparison:
    """The same results, of which nothing has been read yet."""
    return Comparison(compared.directory)


def test_parts_hold_all_rows(fresh: Comparison, compared: Comparison):
    parts = list(fresh.parts())
    assert "rows" not in vars(fresh)  # which would be all of them at once
    assert [list(each) for each in parts] == [[*SCHEMA.names, "quantiles_from"]] * len(parts)
    pd.testing.assert_frame_equal(in_order(parts), in_order([compared.rows]), check_exact=True)


def test_a_part_is_of_one_model(fresh: Comparison, compared: Comparison):
    models = [each["model"].unique().tolist() for each in fresh.parts(["model"])]
    assert sorted(models) == [[each] for each in sorted(compared.rows["model"].unique())]


def test_a_trace_and_columns_can_be_chosen(fresh: Comparison, compared: Comparison):
    wild = compared.rows[compared.rows["trace"] == "wild"]
    for columns in ([*KEYS, "forecast"], [*KEYS, "q0.1", "quantiles_from"]):
        found = in_order(list(fresh.parts(columns, "wild")))
        pd.testing.assert_frame_equal(found, in_order([wild[columns]]), check_exact=True)
    assert not list(fresh.parts(trace="none"))


def test_rows_that_are_in_memory_are_not_read_again(compared: Comparison):
    assert next(compared.parts()) is compared.rows


def test_large_models_are_in_several_parts(fresh: Comparison):
    table = next(fresh._store.models(fresh._jobs))
    many = [("a", table)] * (2 * PART // len(table)) + [("b", table)]
    lengths = [len(each) for each in parts_of(many, ["model"])]
    assert len(lengths) > 2
    assert sum(lengths) == len(many) * len(table)
    assert max(lengths) < PART + len(table)


def test_nothing_that_is_shown_needs_all_rows_at_once(fresh: Comparison, compared: Comparison):
    assert not fresh.is_empty
    assert fresh.targets == compared.targets
    pd.testing.assert_frame_equal(fresh.scores(), scores(compared.rows, compared.target))
    pd.testing.assert_frame_equal(fresh.leaderboard(), compared.leaderboard())
    pd.testing.assert_frame_equal(
        fresh.leaderboard("sql_drift"), compared.leaderboard("sql_drift"), rtol=1e-12
    )
    pd.testing.assert_frame_equal(fresh.latency(), compared.latency())
    pd.testing.assert_frame_equal(fresh.failures(), compared.failures())
    fresh.report(fresh.directory / "of-parts.md")
    assert "rows" not in vars(fresh)
