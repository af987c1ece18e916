"""What a scrape tells, with the daemon's own control socket and a real record."""

from __future__ import annotations

import asyncio
import math
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from chronotick.daemon.control import ControlServer
from chronotick.metrics import exposition
from chronotick.metrics.collector import OWN, PARTS
from chronotick.metrics.sources import SLUGS
from chronotick.ntp.checks import Drop
from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot

Scraped = Callable[[], dict[tuple[str, ...], float]]
EVERY = [*OWN, *(metric for part in PARTS for metric in part.metrics)]


async def test_every_metric_is_told(control: ControlServer, writer: RecordWriter, scraped: Scraped):
    samples = await asyncio.to_thread(scraped)
    names = {re.sub("_(bucket|count|sum)$", "", name) for name, *_ in samples}
    assert {metric.name for metric in EVERY} == names
    assert sum(samples["chronotick_scrape_errors", part.name] for part in PARTS) == 0


async def test_the_numbers_are_the_daemons(
    control: ControlServer, writer: RecordWriter, scraped: Scraped
):
    samples = await asyncio.to_thread(scraped)
    told = {
        ("chronotick_up",): 1,
        ("chronotick_status", "synchronised"): 1,  # by the record, which is newer
        ("chronotick_status", "holdover"): 0,
        ("chronotick_reliable",): 1,
        ("chronotick_system_offset_seconds",): -1.5,
        ("chronotick_measurements_total",): 7,
        ("chronotick_epoch",): 3,
        ("chronotick_build_info", "1.2.3"): 1,
        ("chronotick_uptime_seconds",): 3700,
        ("chronotick_daemon_memory_bytes",): 64 * 2**20,
        ("chronotick_problems",): 2,
        ("chronotick_holdover_seconds",): 125,
        ("chronotick_status_transitions_total", "warming-up"): 1,
        ("chronotick_status_transitions_total", "disrupted"): 0,
        ("chronotick_frequency_ratio",): -25e-6,
        ("chronotick_coverage_ratio",): 0.94,
        ("chronotick_sigma_factor",): 1.5,
        ("chronotick_horizon_coverage_ratio", "64"): 0.93,
        ("chronotick_horizon_judgements", "64"): 40.5,
        ("chronotick_horizon_sigma_factor", "64"): 1.25,
        ("chronotick_publications_total",): 1000,
        ("chronotick_publication_missed_total",): 7,
        ("chronotick_publication_lateness_seconds_bucket", "0.0001"): 1,
        ("chronotick_publication_lateness_seconds_bucket", "0.005"): 2,
        ("chronotick_publication_lateness_seconds_bucket", "1.0"): 2,
        ("chronotick_publication_lateness_seconds_bucket", "+Inf"): 3,
        ("chronotick_publication_lateness_seconds_count",): 3,
        ("chronotick_publication_lateness_seconds_sum",): 7.00305,
        ("chronotick_system_clock_steps_total",): 2,
        ("chronotick_bound_contradictions_total",): 1,
        ("chronotick_history_pending_rows",): 4,
        ("chronotick_history_dropped_rows_total",): 9,
        ("chronotick_history_problem",): 1,
        ("chronotick_companion_running", "http"): 1,
        ("chronotick_companion_restarts_total", "http"): 1,
        ("chronotick_sources", "best"): 1,
        ("chronotick_sources", "falseticker"): 1,
        ("chronotick_sources", "used"): 0,
        ("chronotick_sources_believed",): 1,
        ("chronotick_source_selected", "192.0.2.1:123"): 1,
        ("chronotick_source_selected", "[2001:db8::1]:123"): 0,
        ("chronotick_source_reason", "falseticker", "[2001:db8::1]:123"): 1,
        ("chronotick_source_offset_seconds", "192.0.2.1:123"): -1.5,
        ("chronotick_source_delay_seconds", "192.0.2.1:123"): 2.5e-4,
        ("chronotick_source_jitter_seconds", "192.0.2.1:123"): 1e-5,
        ("chronotick_source_root_distance_seconds", "192.0.2.1:123"): 2e-3,
        ("chronotick_source_reach_ratio", "192.0.2.1:123"): 0.5,
        ("chronotick_source_age_seconds", "192.0.2.1:123"): 3.5,
        ("chronotick_source_poll_seconds", "192.0.2.1:123"): 16,
        ("chronotick_source_stratum", "192.0.2.1:123"): 2,
        ("chronotick_source_drops_total", "timeout", "192.0.2.1:123"): 3,
        ("chronotick_source_drops_total", "kiss", "192.0.2.1:123"): 0,
        ("chronotick_model_ready", "kalman"): 1,
        ("chronotick_model_ready", "ttm"): 0,
        ("chronotick_model_weight", "kalman"): 0.75,
        ("chronotick_model_latency_median_seconds", "kalman"): 0.002,
        ("chronotick_model_failures_total", "kalman"): 1,
        ("chronotick_model_deadline_misses_total", "ttm"): 5,
        ("chronotick_model_restarts_total", "ttm"): 2,
        ("chronotick_model_memory_bytes", "ttm"): 100 * 2**20,
    }
    assert {key: samples[key] for key in told} == pytest.approx(told, rel=1e-6)
    assert 250e-6 <= samples["chronotick_bound_seconds",] < 300e-6
    assert samples["chronotick_sigma_seconds",] == pytest.approx(4e-6, rel=0.5)
    assert samples["chronotick_measurement_age_seconds",] >= 2


async def test_what_is_not_known_is_absent(
    control: ControlServer, writer: RecordWriter, told: dict[str, Any], scraped: Scraped
):
    told["status"]["clock"] = None
    told["status"]["daemon_memory_mb"] = None
    told["sources"][1]["jitter_s"] = math.nan
    samples = await asyncio.to_thread(scraped)
    assert ("chronotick_frequency_ratio",) not in samples
    assert ("chronotick_daemon_memory_bytes",) not in samples
    assert ("chronotick_source_offset_seconds", "ntp.example.org") not in samples
    assert samples["chronotick_source_reach_ratio", "ntp.example.org"] == 0
    assert ("chronotick_source_jitter_seconds", "192.0.2.1:123") not in samples
    assert ("chronotick_model_restarts_total", "kalman") not in samples
    assert ("chronotick_model_latency_median_seconds", "ttm") not in samples
    assert sum(samples["chronotick_scrape_errors", part.name] for part in PARTS) == 0


def test_without_a_daemon_nothing_is_told_but_that(scraped: Scraped):
    samples = scraped()
    assert samples["chronotick_up",] == 0
    assert {name for name, *_ in samples} == {metric.name for metric in OWN}
    assert sum(samples["chronotick_scrape_errors", part.name] for part in PARTS) == 0


def test_a_record_that_has_run_out_is_not_told(writer: RecordWriter, scraped: Scraped):
    writer.write(good_record(valid_s=0))
    samples = scraped()
    assert samples["chronotick_up",] == 0
    assert ("chronotick_bound_seconds",) not in samples
    assert ("chronotick_status", "synchronised") not in samples


def test_a_daemon_without_time_is_up_and_says_so(writer: RecordWriter, scraped: Scraped):
    writer.write(replace(good_record(), status=Status.UNKNOWN))
    samples = scraped()
    assert samples["chronotick_up",] == 1
    assert samples["chronotick_status", "unknown"] == 1
    assert samples["chronotick_reliable",] == 0
    assert ("chronotick_bound_seconds",) not in samples


def test_a_daemon_that_does_not_answer_is_an_error_of_each_part(
    writer: RecordWriter, scraped: Scraped
):
    samples = scraped()
    assert samples["chronotick_up",] == 1
    assert samples["chronotick_bound_seconds",] > 0
    errors = {part.name: samples["chronotick_scrape_errors", part.name] for part in PARTS}
    assert errors == {"clock": 0, "status": 1, "sources": 1, "models": 1}


def test_a_daemon_that_hangs_is_waited_for_once(
    writer: RecordWriter, scraped: Scraped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("chronotick.views.snapshot.ANSWER_TIMEOUT_S", 0.05)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "control.sock"))
        hanging.listen()
        hanging.settimeout(0)
        samples = scraped()
        hanging.accept()[0].close()
        with pytest.raises(BlockingIOError):
            hanging.accept()
    assert samples["chronotick_scrape_errors", "models"] == 1


async def test_an_answer_of_another_version_costs_only_what_is_missing(
    control: ControlServer,
    writer: RecordWriter,
    told: dict[str, Any],
    scraped: Scraped,
    caplog: pytest.LogCaptureFixture,
):
    del told["status"]["publication"]["lateness"]
    told["sources"][0]["reason"] = "new"
    told["models"] = "none"
    samples = await asyncio.to_thread(scraped)
    assert samples["chronotick_scrape_errors", "status"] == 1
    assert samples["chronotick_scrape_errors", "sources"] == 1
    assert samples["chronotick_scrape_errors", "models"] > 1
    assert samples["chronotick_publications_total",] == 1000
    assert samples["chronotick_sources_believed",] == 1
    assert "chronotick_source_reason cannot be told: KeyError: 'new'" in caplog.messages


async def test_series_of_sources_and_models_are_bounded(
    control: ControlServer, writer: RecordWriter, told: dict[str, Any], scraped: Scraped
):
    liar, believed, _ = told["sources"]
    crowd = [{**liar, "id": f"liar {n}"} for n in range(100)]
    told["sources"] = [*crowd, {**believed, "id": "believed"}]
    told["models"] = {f"model {n}": told["models"]["kalman"] for n in range(100)}
    samples = await asyncio.to_thread(scraped)
    assert samples["chronotick_sources", "falseticker"] == 100
    listed = {key[1] for key in samples if key[0] == "chronotick_source_selected"}
    assert len(listed) == 64
    assert "believed" in listed
    assert len([key for key in samples if key[0] == "chronotick_model_weight"]) == 64


async def test_odd_names_are_escaped(
    control: ControlServer, writer: RecordWriter, told: dict[str, Any], scraped: Scraped
):
    name = 'a"b\\c\nd'
    told["sources"][0]["id"] = name
    samples = await asyncio.to_thread(scraped)
    assert samples["chronotick_source_selected", name] == 0


async def test_openmetrics_is_told_to_who_asks_for_it(
    control: ControlServer, writer: RecordWriter, snapshot: Snapshot
):
    asked = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    body, kind = await asyncio.to_thread(exposition, snapshot, asked)
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert body.endswith(b"# EOF\n")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["chronotick_build"].type == "info"
    assert families["chronotick_publications"].type == "counter"


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain;version=0.0.4", "text/plain;version=x"])
def test_everybody_else_gets_text(snapshot: Snapshot, accept: str):
    body, kind = exposition(snapshot, accept)
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert body.startswith(b"# HELP chronotick_up ")


def test_repeated_reads_are_counted(writer: RecordWriter, scraped: Scraped):
    """The sequence is odd while a record is being written."""
    before = scraped()["chronotick_record_read_retries_total",]
    writer._words[0] += 1
    assert scraped()["chronotick_record_read_retries_total",] > before


def test_names_follow_the_rules():
    for metric in EVERY:
        assert re.fullmatch("chronotick_[a-z0-9_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind.value == "counter")
        assert metric.words.endswith(".")
    assert len({metric.name for metric in EVERY}) == len(EVERY)


def test_reasons_and_drops_are_plain_words():
    words = [*SLUGS.values(), *(drop.value for drop in Drop)]
    assert [word for word in words if not re.fullmatch("[a-z-]+", word)] == []
