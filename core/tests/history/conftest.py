"""Histories on real files, and measurements to put into them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.history import History, open_history
from chronotick.ntp.measurement import Measurement, Stamps

EPOCH_NS = 1_800_000_000 * 10**9


@pytest.fixture
def measurement() -> Callable[..., Measurement]:
    """Make the n-th measurement of a server that answers once per second."""

    def _measurement(number: int, **changes: object) -> Measurement:
        values = {
            "source": "192.0.2.1:123",
            "raw_ns": number * 10**9,
            "offset_ns": EPOCH_NS + number,
            "delay_ns": 5_000 + number,
            "precision_ns": 30,
            "root_delay_ns": 400,
            "root_dispersion_ns": 900,
            "stratum": 2,
            "leap": 1,
            "reference_id": 0xFFFF_FFFF,
            "stamps": Stamps.KERNEL_RX,
            "authenticated": True,
        }
        return Measurement(**{**values, **changes})

    return _measurement


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    opened = open_history(path, 30, interval_s=0.05)
    assert opened.messages == ()
    with opened.history as history:
        yield history
