from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot


@pytest.fixture(autouse=True)
def nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests off a daemon that may run on this machine."""
    monkeypatch.setenv("CHRONOTICK_SHM", str(tmp_path / "no-record"))
    monkeypatch.setenv("CHRONOTICK_CONTROL", str(tmp_path / "no.sock"))


@pytest.fixture
def snapshot(tmp_path: Path, writer: RecordWriter) -> Snapshot:
    """A clock whose record was written a moment ago, and whose daemon does not answer."""
    return Snapshot(tmp_path / "record", tmp_path / "no.sock")


@pytest.fixture
def no_clock(tmp_path: Path) -> Snapshot:
    return Snapshot(tmp_path / "no-record", tmp_path / "no.sock")


Answering = Callable[[dict[str, Any]], Snapshot]


@pytest.fixture
def answering(tmp_path: Path, writer: RecordWriter) -> Iterator[Answering]:
    """A clock whose control socket gives these answers, by method."""
    path = tmp_path / "control.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve(answers: dict[str, Any]) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                method = json.loads(stream.readline())["method"]
                stream.write(json.dumps({"ok": True, "result": answers[method]}).encode() + b"\n")

    def start(answers: dict[str, Any]) -> Snapshot:
        threading.Thread(target=serve, args=(answers,), daemon=True).start()
        return Snapshot(tmp_path / "record", path)

    yield start
    server.shutdown(socket.SHUT_RDWR)
    server.close()
