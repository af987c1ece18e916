"""The demonstration: daemon, servers and reader against known truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.shm.reader import RecordReader


def demo(*options: str, timeout: float = 50) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chronotick", "demo", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def test_truth_is_inside_the_bound_and_the_liar_is_found():
    done = demo("--seconds", "14", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["bound_violations"] == 0
    assert result["reads"] > 100
    assert result["error_max_s"] < 500e-6
    assert abs(result["system_clock_error_s"]) > 10 * result["error_max_s"]
    reasons = [source["reason"] for source in result["sources"]]
    assert reasons.count("x") == 1
    assert sum(model["weight"] for model in result["models"].values()) == pytest.approx(1.0)


def test_the_summary_fits_on_a_screen():
    done = demo("--seconds", "7", "--world", "loopback-calm", "--servers", "1", "--false", "0")
    assert done.returncode == 0, done.stderr
    assert "true error" in done.stdout
    summary = done.stdout.split("summary")[1]
    assert len(summary.splitlines()) < 20
    assert max(map(len, done.stdout.splitlines())) <= 120


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--world", "mars-calm"], "mars"),
        (["--false", "9"], "false"),
        (["--seconds", "3", "--models", "kalmann"], "kalman"),
    ],
)
def test_mistakes_are_explained(options, words):
    done = demo(*options)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_users_own_settings_cannot_lead_simulated_time_into_a_real_record(
    tmp_path, monkeypatch
):
    """The demonstration's daemon once took the record and the history named in the environment."""
    record, history = tmp_path / "record", tmp_path / "history.sqlite3"
    monkeypatch.setenv("CHRONOTICK_SHM", str(record))
    monkeypatch.setenv("CHRONOTICK_HISTORY__PATH", str(history))
    monkeypatch.setenv("CHRONOTICK_CONTROL", str(tmp_path / "control.sock"))
    done = demo("--seconds", "5", "--json")
    assert done.returncode == 0, done.stderr
    assert not record.exists()
    assert not history.exists()


def test_too_short_a_time_is_said_to_be_too_short():
    """It said only "the daemon serves nothing:", and with a little more time "0 reads"."""
    done = demo("--seconds", "0.05")
    assert done.returncode == 1
    assert "served no time within 0.05 s" in done.stderr
    assert "longer" in done.stderr


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name leaves room for that of a socket in it (108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="ct-") as name:
        yield Path(name)


def test_sigterm_ends_the_daemon_and_the_files_too(short_path: Path):
    """`timeout 10 chronotick demo` left a daemon and its directory behind."""
    command = [sys.executable, "-m", "chronotick", "demo", "--servers", "1", "--false", "0"]
    environ = {**os.environ, "TMPDIR": str(short_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        while "warming-up" not in process.stdout.readline():
            assert process.poll() is None
        (directory,) = short_path.glob("chronotick-demo-*")
        pid = RecordReader(directory / "record").writer_pid
        process.terminate()
        assert process.wait(timeout=20) == 0
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
