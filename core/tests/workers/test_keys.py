"""Keys in files: made, read, and everything that is wrong with a file said with what to do."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from zmq.utils import z85

from chronotick.config.tcp import Address, parse_address
from chronotick.workers.addresses import resolve
from chronotick.workers.allowance import Allowance
from chronotick.workers.allowlist import AllowList
from chronotick.workers.child import Bootstrap
from chronotick.workers.keys import (
    KeyProblem,
    generate,
    read_keys,
    read_pair,
    read_public,
)
from chronotick.workers.messages import Attach, Hello

ONE = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
OTHER = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_pair_is_made_once_and_the_secret_is_ours_alone(tmp_path: Path):
    directory = tmp_path / "new" / "keys"
    pair = generate(directory)
    assert read_pair(directory) == pair
    assert read_public(directory / "worker.pub") == pair.public
    assert stat.S_IMODE((directory / "worker.key").stat().st_mode) == 0o600
    assert pair.secret not in repr(pair)
    assert pair.secret not in (directory / "worker.pub").read_text()
    with pytest.raises(KeyProblem, match="exists already"):
        generate(directory)
    assert read_pair(directory) == pair


def test_missing_keys_say_how_to_make_them(tmp_path: Path):
    with pytest.raises(KeyProblem, match="chronotick worker keygen"):
        read_pair(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_secret_others_may_read_is_refused(tmp_path: Path, mode: int):
    generate(tmp_path)
    (tmp_path / "worker.key").chmod(mode)
    with pytest.raises(KeyProblem, match=r"others may read it\. Run: chmod 600"):
        read_pair(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path):
    generate(tmp_path)
    os.chown(tmp_path / "worker.key", 12345, -1)
    with pytest.raises(KeyProblem, match="belongs to user 12345"):
        read_pair(tmp_path)


def test_no_message_shows_its_token():
    """They are logged, and are in tracebacks."""
    hello = Hello(protocol=(1, 1), token=ONE, pid=1)
    attach = Attach(protocol=(1, 1), model="m", token=ONE)
    start = Bootstrap(address="a", identity="i", token=ONE, parent_pid=1)
    assert not [each for each in (hello, attach, start) if ONE in repr(each)]


def test_list_others_may_change_is_refused(tmp_path: Path):
    path = write(tmp_path / "allowed", f"{ONE}\n", 0o666)
    with pytest.raises(KeyProblem, match=r"others may change it\. Run: chmod go-w"):
        AllowList(path)


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_directory_others_may_put_keys_into_is_refused(tmp_path: Path, mode: int):
    directory = tmp_path / "keys"
    generate(directory)
    directory.chmod(mode)
    for read in (AllowList, read_pair):
        with pytest.raises(KeyProblem, match=r"keys: others may change it\. Run: chmod go-w"):
            read(directory)
    directory.chmod(0o755)
    assert len(AllowList(directory)) == 1


def test_an_endless_list_is_refused_not_cut_short(tmp_path: Path):
    path = write(tmp_path / "allowed", f"{ONE} a name\n" * 30_000)
    with pytest.raises(KeyProblem, match="longer than 1048576 bytes"):
        AllowList(path)
    with pytest.raises(KeyProblem, match="no regular file"):
        AllowList(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{ONE} public\n", "must hold two lines"),
        (f"{OTHER} public\n{ONE} secret\n", "do not belong together"),
        ("nonsense\n", "is no key"),
        ("", "must hold two lines"),
    ],
)
def test_damaged_pair_says_what_to_run(tmp_path: Path, text: str, words: str):
    write(tmp_path / "worker.key", text)
    with pytest.raises(KeyProblem, match=words):
        read_pair(tmp_path)


def test_lists_hold_comments_and_names(tmp_path: Path):
    text = f"# clocks of hall 3\n#old {ONE}\n\n{ONE} left rack\n  {OTHER}  \n"
    assert read_keys(write(tmp_path / "a", text)) == {ONE: "left rack", OTHER: ""}


def test_no_key_can_be_taken_for_a_comment(tmp_path: Path):
    largest = z85.encode(b"\xff" * 32).decode()
    assert z85.Z85CHARS.index(largest[0].encode()) < z85.Z85CHARS.index(b"#")
    assert read_keys(write(tmp_path / "a", f"{largest}\n")) == {largest: ""}


@pytest.mark.parametrize(
    "line", [ONE[:-1], ONE + "x", ONE[:-1] + "~", ONE[:-1] + "é", "%%%%%" * 8, "ssh-rsa AAAA"]
)
def test_a_line_that_is_no_key_is_named_by_number(tmp_path: Path, line: str):
    path = write(tmp_path / "a", f"{OTHER}\n{line}\n")
    with pytest.raises(KeyProblem, match=r"a:2: .* is no key"):
        read_keys(path)


def test_file_of_a_server_holds_one_key(tmp_path: Path):
    with pytest.raises(KeyProblem, match="holds 2 keys"):
        read_public(write(tmp_path / "a", f"{ONE}\n{OTHER}\n"))
    with pytest.raises(KeyProblem, match="chronotick worker key"):
        read_public(tmp_path / "absent")
    with pytest.raises(KeyProblem, match="cannot be read"):
        read_public(tmp_path)
    write(tmp_path / "b", "").write_bytes(b"\xff\xfe")
    with pytest.raises(KeyProblem, match="cannot be read"):
        read_public(tmp_path / "b")


def test_names_cannot_write_on_the_terminal(tmp_path: Path):
    assert read_keys(write(tmp_path / "a", f"{ONE} \x1b[2Jevil\n")) == {ONE: "?[2Jevil"}


def test_a_changed_list_is_read_again_and_a_broken_one_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = write(tmp_path / "allowed", f"{ONE} first\n")
    allowed = AllowList(path)
    assert (ONE in allowed, OTHER in allowed, allowed.name_of(ONE)) == (True, False, "first")
    write(path, f"{ONE} first\n{OTHER} second\n")
    allowed.refresh()
    assert OTHER in allowed
    write(path, "rubbish\n")
    allowed.refresh()
    assert (len(allowed), "stays as it was" in caplog.text) == (2, True)
    path.unlink()
    allowed.refresh()
    assert (len(allowed), "is gone: nobody may connect" in caplog.text) == (0, True)
    write(path, f"{OTHER}\n")
    allowed.refresh()
    assert (ONE in allowed, allowed.name_of(OTHER)) == (False, f"{OTHER[:8]}...")


def test_forced_reading_does_not_depend_on_time_stamps(tmp_path: Path):
    path = write(tmp_path / "allowed", f"{ONE}\n")
    before = path.stat()
    allowed = AllowList(path)
    write(path, f"{OTHER}\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    allowed.refresh()
    assert ONE in allowed
    allowed.refresh(force=True)
    assert OTHER in allowed


def test_a_directory_of_keys_is_followed(tmp_path: Path):
    write(tmp_path / "a.pub", f"{ONE} a\n")
    write(tmp_path / "notes.txt", "no key at all")
    allowed = AllowList(tmp_path)
    write(tmp_path / "b.pub", f"{OTHER} b\n")
    allowed.refresh()
    assert len(allowed) == 2
    (tmp_path / "a.pub").unlink()
    allowed.refresh()
    assert (ONE in allowed, OTHER in allowed) == (False, True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tcp://gpu-host:7411", "tcp://gpu-host:7411"),
        ("tcp://[::1]:7411", "tcp://[::1]:7411"),
        ("tcp://0.0.0.0:0", "tcp://0.0.0.0:0"),
    ],
)
def test_addresses(text: str, shown: str):
    assert str(parse_address(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "gpu-host:7411",
        "tcp://gpu-host",
        "tcp://:7411",
        "tcp://h:port",
        "tcp://h:70000",
        "ipc:///tmp/x",
        "tcp://h:1/path",
        "tcp://me@h:1",
        "tcp://[::1:7411",
        "",
    ],
)
def test_other_addresses_are_refused(text: str):
    with pytest.raises(ValueError, match=r"not of the form tcp://HOST:PORT \(the connection is"):
        parse_address(text)


async def test_unknown_host_is_said():
    with pytest.raises(OSError, match=r"host no-such\.invalid is not known"):
        await resolve(Address("no-such.invalid", 7411))
    assert await resolve(Address("127.0.0.1", 7411)) == ["tcp://127.0.0.1:7411"]


def test_a_resolver_that_hangs_does_not_delay_the_end(monkeypatch: pytest.MonkeyPatch):
    """asyncio.run() waits for the threads of its executor: this one must not be among them."""
    asked, answer = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        asked.set()
        answer.wait(50)
        return []

    async def give_up() -> None:
        looking = asyncio.create_task(resolve(Address("slow.invalid", 7411)))
        while not asked.is_set():  # noqa: ASYNC110 - it is set in a thread
            await asyncio.sleep(0.01)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    monkeypatch.setattr("socket.getaddrinfo", hang)
    asyncio.run(give_up())
    assert any(thread.name == "resolve-slow.invalid" for thread in threading.enumerate())
    answer.set()


def test_allowance_refills(make_allowance: Callable[[], Allowance]):
    allowance = make_allowance()
    assert all(allowance.spend(0.0) for _ in range(400))
    assert not allowance.spend(0.0)
    assert allowance.spend(1.0)
    assert sum(allowance.spend(1000.0) for _ in range(1000)) == 400


@pytest.fixture
def make_allowance() -> Callable[[], Allowance]:
    return lambda: Allowance(0.0)
