"""The server over HTTP, in a process of its own that may open few files."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

FILES = 64
HALF_A_HEAD = b"GET /mcp HTTP/1.1\r\nHost: 127"
HALF_A_BODY = b"POST /mcp HTTP/1.1\r\nHost: %s:%d\r\nContent-Length: 99\r\n\r\n{"


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    line = f"ulimit -n {FILES}; exec {sys.executable} -m chronotick mcp --http 127.0.0.1:0"
    with subprocess.Popen(["/bin/sh", "-c", line], stderr=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


@pytest.fixture
def address(server: subprocess.Popen[str]) -> tuple[str, int]:
    assert server.stderr is not None
    found = re.search(r"http://\S+", server.stderr.readline())
    assert found, server.stderr.read()
    parts = urlsplit(found[0])
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def status_of(address: tuple[str, int]) -> int:
    with socket.create_connection(address) as client:
        client.sendall(b"GET /nothing HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % address_bytes(address))
        return int(client.recv(4096).split()[1])


def address_bytes(address: tuple[str, int]) -> tuple[bytes, int]:
    return address[0].encode(), address[1]


def test_it_outlasts_more_clients_than_it_may_open_files_for(
    server: subprocess.Popen[str], address: tuple[str, int]
):
    """80 halves of a head ended it: its log could not import what tells of a failed accept."""
    for half in (HALF_A_HEAD, HALF_A_BODY % address_bytes(address)):
        with contextlib.ExitStack() as stack:
            for _ in range(FILES + 16):
                client = stack.enter_context(socket.create_connection(address))
                client.sendall(half)
        assert status_of(address) == 404
    server.send_signal(signal.SIGTERM)
    assert server.stderr is not None
    told = server.stderr.read()
    assert server.wait() == 0
    assert "Traceback" not in told
