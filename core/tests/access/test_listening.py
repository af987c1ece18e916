"""Where a server listens, whom it reaches, and what stands in the way."""

from __future__ import annotations

import contextlib
import gc
import socket
import stat
from pathlib import Path

import pytest

from chronotick.access.listening import ListenError, listening


def test_a_unix_socket_is_for_user_and_group(tmp_path: Path):
    path = tmp_path / "http.sock"
    with listening(f"unix:{path}") as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert (listener.local, listener.names) == (True, None)
    assert not path.exists()


def test_a_directory_that_may_be_a_typing_error_is_not_made(tmp_path: Path):
    with (
        pytest.raises(ListenError, match="does not exist"),
        listening(f"unix:{tmp_path}/rnu/http.sock"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_second_server_is_told_of_the_first(tmp_path: Path):
    with listening(f"unix:{tmp_path}/http.sock"), listening("127.0.0.1:0") as tcp:
        with (
            pytest.raises(ListenError, match="another server answers"),
            listening(f"unix:{tmp_path}/http.sock"),
        ):
            pass
        port = tcp.sockets[0].getsockname()[1]
        with pytest.raises(ListenError, match="another server"), listening(f"127.0.0.1:{port}"):
            pass


def test_a_server_whose_queue_is_full_is_no_dead_one(tmp_path: Path):
    path = tmp_path / "http.sock"
    with contextlib.ExitStack() as stack:
        busy = stack.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(str(path))
        busy.listen(0)
        waiting = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(str(path))
        with pytest.raises(ListenError, match="another server"), listening(f"unix:{path}"):
            pass
    assert path.exists()


def test_a_socket_left_by_a_dead_server_is_replaced(tmp_path: Path):
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(f"unix:{path}"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_the_socket_of_a_successor_is_left_alone(tmp_path: Path):
    path = tmp_path / "http.sock"
    with listening(f"unix:{path}"):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("192.0.2.1:8123", "cannot be listened at"),
        ("no-such-host.invalid:1", "no-such-host.invalid has no address: "),
        ("unix:/proc/none/http.sock", "the directory /proc/none does not exist. Create it"),
        ("unix:/dev/null", "is in the way"),
        ("unix:/" + "a" * 200, "cannot be listened at"),
    ],
)
def test_addresses_that_cannot_be(address: str, match: str):
    with pytest.raises(ListenError, match=match), listening(address):
        pass


@pytest.mark.parametrize(
    "address", ["8123", "127.0.0.1", "127.0.0.1:99999", "http://127.0.0.1:1", "unix:", "", ":80"]
)
def test_what_is_no_address(address: str):
    with pytest.raises(ValueError, match=r"HOST:PORT.*unix:PATH"):
        listening(address)


def test_ipv6_loopback_is_local():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with listening("[::1]:0") as listener:
        assert listener.url.startswith("http://[::1]:")
        assert listener.local


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1:0", True), ("127.8.8.8:0", True), ("localhost:0", True), ("0.0.0.0:0", False)],
)
def test_what_other_machines_reach_is_known(address: str, local: bool):
    with listening(address) as listener:
        assert listener.local is local


def test_all_addresses_of_a_name_have_one_port(monkeypatch: pytest.MonkeyPatch):
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, 0))
        for host in ("127.0.0.1", "127.0.0.2")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with listening("localhost:0") as listener:
        assert len(listener.sockets) == 2
        ports = {each.getsockname()[1] for each in listener.sockets}
    assert len(ports) == 1
    assert listener.url == f"http://localhost:{ports.pop()}/"


def test_a_socket_that_cannot_be_bound_is_closed(recwarn: pytest.WarningsRecorder):
    with listening("127.0.0.1:0") as first:
        port = first.sockets[0].getsockname()[1]
        with pytest.raises(ListenError), listening(f"127.0.0.1:{port}"):
            pass
    gc.collect()
    assert [str(each.message) for each in recwarn] == []
