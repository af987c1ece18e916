from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.shm.fast import HAVE_C_READER, FastReader, fast_reader
from chronotick.shm.now import Now
from chronotick.shm.writer import RecordWriter


class NoAnswerError(Exception):
    """A fast reader took its slow path."""


def _no_answer(*arguments: object, **named: object) -> Now:
    raise NoAnswerError(arguments, named)


@pytest.fixture
def no_answer() -> type[NoAnswerError]:
    return NoAnswerError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture
def writer(path: Path) -> Iterator[RecordWriter]:
    writer = RecordWriter(path)
    yield writer
    writer.close()


Open = Callable[[Path], FastReader]


@pytest.fixture(params=["c", "python"])
def open_fast(request: pytest.FixtureRequest) -> Open:
    """Opens a record with either fast reader; both must pass every test."""
    if request.param == "c" and not HAVE_C_READER:
        pytest.skip("the C reader is not built")

    def opened(path: Path) -> FastReader:
        reader = fast_reader(_no_answer, _no_answer, _no_answer, pure=request.param == "python")  # type: ignore[arg-type]
        descriptor = os.open(path, os.O_RDONLY)
        try:
            reader.attach(descriptor)
        finally:
            os.close(descriptor)
        return reader

    return opened
