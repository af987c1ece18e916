"""The debug trace: whole lines in a private file, and nothing that holds up the clock."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chronotick.clock import ClockState, ContextWindow, HostClocks
from chronotick.config.schema import Config
from chronotick.daemon import trace_lines as lines
from chronotick.daemon.trace import FAREWELL, MAGIC, WAITING, Trace, TraceFileError
from chronotick.models import as_batch
from chronotick.ntp import Measurement, Selection
from chronotick.plugin.contract import Forecast
from chronotick.workers.errors import DeadlineMissed

MEGABYTE = 1_000_000


def counted(number: int) -> dict[str, Any]:
    return {"kind": "test", "number": number}


def read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def numbers(path: Path) -> list[int]:
    return [line["number"] for line in read(path) if line.get("kind") == "test"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.jsonl"


@pytest.fixture
def limited_files() -> Iterator[int]:
    """Files of this process may not grow beyond this size, as on a disk that is full."""
    limit = 50_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


class Gate:
    """A line that takes until it is let through: a disk that hangs."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def line(self) -> dict[str, Any]:
        self.reached.set()
        assert self.opened.wait(10)
        return {"kind": "gate"}


def test_the_file_has_a_header_the_lines_in_order_and_an_end(path):
    trace = Trace(path, {"cpus": 2}, MEGABYTE)
    for number in range(100):
        trace.note(counted, number)
    trace.close()
    first, *_, last = read(path)
    assert (first["format"], first["version"], first["cpus"]) == ("chronotick-trace", 1, 2)
    assert path.read_bytes().startswith(MAGIC)
    assert numbers(path) == list(range(100))
    assert (last["kind"], last["reason"], last["dropped"]) == ("end", "the daemon stopped", 0)


def test_nobody_else_may_read_it(path):
    Trace(path, {}, MEGABYTE).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_does_not_fit_the_queue_is_counted_and_told(path, caplog):
    trace, gate = Trace(path, {}, MEGABYTE), Gate()
    trace.note(gate.line)
    assert gate.reached.wait(10)
    for number in range(WAITING + 7):  # returns, though nothing is written meanwhile
        trace.note(counted, number)
    assert trace.dropped == 7
    gate.opened.set()
    trace.close()
    assert numbers(path) == list(range(WAITING))
    assert [line["lines"] for line in read(path) if line.get("kind") == "dropped"] == [7]
    assert read(path)[-1]["dropped"] == 7
    assert "7 lines were dropped" in caplog.text


def test_at_its_size_it_ends_and_says_so_once(path, caplog):
    trace = Trace(path, {}, 20_000)
    for number in range(WAITING):
        trace.note(counted, number)
    trace.close()
    trace.note(counted, 0)
    trace.close()
    assert 20_000 - 2 * FAREWELL < path.stat().st_size <= 20_000
    assert read(path)[-1]["reason"] == "its size of 0.02 MB is reached"
    [record] = caplog.records
    assert "its size of 0.02 MB is reached" in record.getMessage()


def test_a_full_disk_ends_it_with_a_whole_line_and_one_warning(path, caplog, limited_files):
    trace = Trace(path, {}, MEGABYTE)
    for number in range(WAITING):
        trace.note(counted, number)
    trace.close()
    trace.note(counted, 0)
    found = numbers(path)
    assert found == list(range(len(found)))
    assert 0 < len(found) < WAITING
    assert path.stat().st_size <= limited_files
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "goes on without a trace" in record.getMessage()


@pytest.mark.parametrize("value", [float("nan"), object()], ids=["not a number", "no JSON"])
def test_a_line_that_cannot_be_made_costs_no_other(path, caplog, value):
    trace = Trace(path, {}, MEGABYTE)
    trace.note(lambda: {"kind": "test", "number": value})
    trace.note(counted, 2)
    trace.close()
    assert numbers(path) == [2]
    assert "could not be made" in caplog.text


def test_the_trace_before_is_kept_under_another_name(path):
    for number in range(3):
        trace = Trace(path, {}, MEGABYTE)
        trace.note(counted, number)
        trace.close()
    assert numbers(path) == [2]
    assert numbers(path.with_name("trace.jsonl.1")) == [1]


def test_an_empty_file_is_taken_over(path):
    path.touch()
    Trace(path, {}, MEGABYTE).close()
    assert read(path)[-1]["kind"] == "end"


@pytest.mark.parametrize("name", ["trace.jsonl", "trace.jsonl.1"])
def test_what_is_no_trace_is_never_touched(path, name):
    Trace(path, {}, MEGABYTE).close()
    other = path.with_name(name)
    other.write_text("my thesis")
    with pytest.raises(TraceFileError, match=f"{name} is there and is no trace. Name another"):
        Trace(path, {}, MEGABYTE)
    assert other.read_text() == "my thesis"


def test_a_trace_that_is_being_written_is_left_alone(path):
    trace = Trace(path, {}, MEGABYTE)
    with pytest.raises(TraceFileError, match="another daemon is writing"):
        Trace(path, {}, MEGABYTE)
    trace.note(counted, 1)
    trace.close()
    assert numbers(path) == [1]


def test_links_and_directories_are_refused(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TraceFileError, match="is no regular file"):
        Trace(path, {}, MEGABYTE)
    with pytest.raises(TraceFileError, match="is no regular file"):
        Trace(tmp_path, {}, MEGABYTE)


def test_a_missing_directory_is_told(tmp_path):
    with pytest.raises(TraceFileError, match="cannot be written: No such file or directory"):
        Trace(tmp_path / "no" / "trace.jsonl", {}, MEGABYTE)


def test_a_header_that_does_not_fit_the_disk_is_told(path, limited_files):
    with pytest.raises(TraceFileError, match="cannot be written: File too large"):
        Trace(path, {"long": "x" * limited_files}, MEGABYTE)


WINDOW = ContextWindow(
    trend=ClockState(
        raw_ns=5_000_000_000,
        offset_ns=7,
        frequency=1e-6,
        var_offset=1e-12,
        cov=0.0,
        var_frequency=1e-16,
        white_psd=1e-18,
        wander_psd=1e-20,
    ),
    newest_raw_ns=4_000_000_000,
    step_ns=1_000_000_000,
    values=np.array([np.nan, 1e-6, np.nan, 3e-6]),
    noise=np.array([np.nan, 1e-7, np.nan, 2e-7]),
)


def test_a_context_is_what_the_model_was_asked_with():
    load = {"load": np.array([1.0, 2.0, np.nan, 4.0])}
    line = lines.context("short_term", "ttm", 96, WINDOW, as_batch(WINDOW, 3, load))
    assert line["values"] == [1e-6, None, 3e-6]
    assert line["noise"] == [1e-7, None, 2e-7]
    assert line["covariates"] == {"load": [2.0, None, 4.0]}
    assert (line["loop"], line["model"], line["horizon"]) == ("short_term", "ttm", 96)
    assert (line["step_s"], line["issued_raw_ns"]) == (1.0, 5_000_000_000)
    assert len(line["expected"]) == len(line["expected_sigma"]) > 0
    json.dumps(line, allow_nan=False)


def test_a_forecast_has_its_quantiles_or_its_failure():
    mean, quantiles = np.array([[1.0, np.inf]]), np.array([[[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]])
    line = lines.forecast("long_term", "toto", WINDOW, Forecast(mean=mean), 0.25)
    assert (line["mean"], line["quantiles"], line["levels"]) == ([1.0, None], [], [])
    assert line["latency_s"] == 0.25
    answer = Forecast(mean=mean, quantiles=quantiles)
    line = lines.forecast("long_term", "toto", WINDOW, answer, 0.25)
    assert line["quantiles"] == [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    assert line["levels"] == [0.1, 0.5, 0.9]
    line = lines.failure("long_term", "toto", WINDOW, DeadlineMissed("toto", "late by a day"))
    assert line["failure"] == "DeadlineMissed: toto: late by a day"


def test_an_exchange_has_every_field_of_its_measurement():
    measurement = Measurement(
        source="192.0.2.1:123",
        raw_ns=1,
        offset_ns=2**62 + 1,
        delay_ns=3,
        precision_ns=4,
        root_delay_ns=5,
        root_dispersion_ns=6,
        stratum=7,
    )
    line = json.loads(json.dumps(lines.exchange(measurement, Selection(raw_ns=9))))
    assert line["measurement"].keys() == Measurement.__annotations__.keys()
    assert line["measurement"]["offset_ns"] == 2**62 + 1
    assert (line["taken_raw_ns"], line["used"]) == (9, False)


def test_the_header_tells_the_host_and_the_configuration():
    clocks = HostClocks(raw_ns=1, system_ns=2, suspended_ns=3)
    header = json.loads(json.dumps(lines.header(Config(), {"kalman": "chronotick 0"}, clocks)))
    assert (header["raw_ns"], header["system_ns"], header["suspended_ns"]) == (1, 2, 3)
    assert Config.model_validate(header["config"]) == Config()
    assert header["models"] == {"kalman": "chronotick 0"}
    assert header["cpus"] == os.cpu_count()
