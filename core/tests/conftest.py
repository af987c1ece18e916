from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RecordWriter]:
    """A record that serves time, without a daemon: ``record`` in the test's directory."""
    writer = RecordWriter(tmp_path / "record")
    writer.write(good_record())
    yield writer
    writer.close()
