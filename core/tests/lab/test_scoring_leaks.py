"""What models were trained on, and the traces that match."""

from __future__ import annotations

import pandas as pd
import pytest

from chronotick.lab.scoring import leaks, names_of
from chronotick.lab.scoring.leaks import flags


@pytest.mark.parametrize(
    ("trained_on", "path"),
    [
        ("gnss-2023", "/data/gnss-2023/node1.csv.gz"),
        ("GNSS_2023", "traces/gnss 2023/node1.csv"),
        ("autogluon/chronos_datasets", "/home/me/chronos_datasets/m4.parquet"),
        ("chronos_datasets", "autogluon/chronos_datasets/m4.parquet"),
        ("m4_hourly", "sets/M4-Hourly.parquet"),
    ],
)
def test_a_trace_of_a_data_set_that_was_seen_is_a_leak(trained_on: str, path: str):
    assert leaks({"m": [trained_on]}, {"t": names_of("t", path)}) == {"m": {"t"}}


@pytest.mark.parametrize(
    ("trained_on", "path"),
    [
        ("m4", "/data/m4_hourly/one.csv"),  # another set that begins alike
        ("Time-300B", "/data/time/300b.csv"),
        ("", "/"),
        ("csv", "one.csv"),
    ],
)
def test_a_likeness_is_no_leak(trained_on: str, path: str):
    assert leaks({"m": [trained_on]}, {"t": names_of("t", path)}) == {}


def test_names_and_digests_count():
    known = {"a": names_of("dc-hvac", digest="c0ffee"), "b": names_of("wan", "x/b.csv")}
    assert leaks({"m": ["DC_HVAC"], "n": ["c0ffee"], "o": ["wan"], "p": []}, known) == {
        "m": {"a"},
        "n": {"a"},
        "o": {"b"},
    }


def test_flags_are_of_model_and_trace():
    table = pd.DataFrame({"model": ["m", "m", "n"], "trace": ["a", "b", "a"]})
    assert flags(table, {"m": {"a"}}).tolist() == [True, False, False]
    assert flags(table, {}).tolist() == [False] * 3
