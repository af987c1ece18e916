"""The ready-made configurations do what their names say: each runs and synchronises."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.shm.layout import Status

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_runs(path, start_daemon, chronyd, tmp_path):
    daemon = start_daemon(
        "--config",
        str(path),
        "--server",
        chronyd,
        CHRONOTICK_CLOCK_MEASUREMENT__NTP__MIN_SOURCES="1",
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__WARM_UP__DURATION_SECONDS="2",
        CHRONOTICK_CLOCK_MEASUREMENT__TIMING__WARM_UP__MEASUREMENT_INTERVAL="0.3",
        CHRONOTICK_WORKERS__BUILD="false",
        XDG_DATA_HOME=str(tmp_path / "data"),
    )
    daemon.wait_for(Status.SYNCHRONISED)
