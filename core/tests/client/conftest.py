from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.client.served import ServedClock
from chronotick.shm.fast import HAVE_C_READER
from chronotick.shm.writer import RecordWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture(autouse=True)
def nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests off a daemon that may run on this machine."""
    monkeypatch.setenv("CHRONOTICK_SHM", str(tmp_path / "no-record"))
    monkeypatch.setenv("CHRONOTICK_CONTROL", str(tmp_path / "no.sock"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def writer(path: Path) -> Iterator[RecordWriter]:
    writer = RecordWriter(path)
    yield writer
    writer.close()


@pytest.fixture(params=["c", "python"])
def pure(request: pytest.FixtureRequest) -> bool:
    if request.param == "c" and not HAVE_C_READER:
        pytest.skip("the C reader is not built")
    return bool(request.param == "python")


@pytest.fixture
def clock(path: Path, pure: bool) -> ServedClock:
    return ServedClock(path, pure=pure)


Answer = Callable[[dict[str, object]], bytes]
Serve = Callable[[Answer], Path]


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serves one connection on the control socket with real bytes."""
    socket_path = tmp_path / "control.sock"
    monkeypatch.setenv("CHRONOTICK_CONTROL", str(socket_path))
    server = socket.socket(socket.AF_UNIX)
    threads: list[threading.Thread] = []

    def serve(answer: Answer) -> Path:
        server.bind(str(socket_path))
        server.listen()

        def one() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rwb") as stream:
                stream.write(answer(json.loads(stream.readline())))

        threads.append(threading.Thread(target=one, daemon=True))
        threads[-1].start()
        return socket_path

    yield serve
    for thread in threads:
        thread.join(10)  # a test that failed has perhaps not connected
    server.close()
