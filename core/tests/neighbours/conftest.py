"""A record to hand on, and an NTP server of it in the test's own event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.client.served import ServedClock
from chronotick.neighbours.standing import Standing, standing_of
from chronotick.shm.record import Record
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

Publish = Callable[..., Record]


@pytest.fixture(autouse=True)
def nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests off a daemon that may run on this machine."""
    monkeypatch.setenv("CHRONOTICK_SHM", str(tmp_path / "no-record"))
    monkeypatch.setenv("CHRONOTICK_CONTROL", str(tmp_path / "no.sock"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture
def publish(path: Path) -> Iterator[Publish]:
    """Publish a good record with some fields changed; it is 1.5 s ahead of the system clock."""
    writer = RecordWriter(path)

    def published(**changes: object) -> Record:
        return writer.write(replace(good_record(), **changes))

    yield published
    writer.close()


@pytest.fixture
def standing(path: Path) -> Callable[[], Standing]:
    clock = ServedClock(path)
    return lambda: standing_of(clock)
