"""Whatever is found at the path, there is a history and a message; nothing is deleted."""

import fcntl
import os
import random
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.history import OpenedHistory, boot_id, diagnose, open_history
from chronotick.history.tables import VERSION
from chronotick.ntp.measurement import Measurement

Make = Callable[..., Measurement]


@pytest.fixture
def sound(path: Path, measurement: Make) -> bytes:
    """The bytes of a closed history with some of everything."""
    with open_history(path, 30).history as history:
        for number in range(60):
            history.add_measurement(measurement(number), selected=True)
            history.add_forecast(
                unix_ns=number,
                model="kalman",
                predictor="short_term",
                issued_raw_ns=number,
                horizon_ns=10,
                predicted_offset_ns=3,
                sigma_s=0.1,
            )
        history.add_transition(raw_ns=1, unix_ns=1, before="a", after="b", reason="c")
        history.save_state(boot_id(), 1, {"x": 1})
        history.save_scores({"x": 1})
    return path.read_bytes()


def _works(opened: OpenedHistory, measurement: Make) -> bool:
    history = opened.history
    before = history.counts()["measurements"]
    history.add_measurement(measurement(10_000), selected=True)
    history.measurements_since(0)
    history.forecasts_between(0, 2**62)
    history.recent_transitions()
    history.load_scores()
    history.load_state(boot_id())
    return history.flush() and history.counts()["measurements"] == before + 1


def _asides(path: Path) -> list[Path]:
    endings = (".lock", "-wal", "-shm")
    return [p for p in path.parent.glob(f"{path.name}.*") if not p.name.endswith(endings)]


def test_directories_are_made(tmp_path: Path, measurement: Make):
    opened = open_history(tmp_path / "a" / "b" / "h.sqlite3", 30)
    with opened.history:
        assert opened.messages == ()
        assert opened.history.persistent
        assert _works(opened, measurement)


def test_an_empty_file_is_a_new_history(path: Path, measurement: Make):
    path.touch()
    opened = open_history(path, 30)
    with opened.history:
        assert opened.messages == ()
        assert _works(opened, measurement)


@pytest.mark.parametrize(
    "data",
    [b"not a database\n", b"SQLite format 3\0", os.urandom(5000), b"\0" * 4096],
    ids=["text", "header only", "noise", "zeros"],
)
def test_what_is_no_database_is_kept_beside_a_new_one(path: Path, data: bytes, measurement: Make):
    path.write_bytes(data)
    opened = open_history(path, 30)
    with opened.history:
        (message,) = opened.messages
        (aside,) = _asides(path)
        assert aside.name.startswith("history.sqlite3.corrupt-")
        assert aside.name in message
        assert aside.read_bytes() == data
        assert opened.history.persistent
        assert _works(opened, measurement)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_and_cut_ends_never_stop_it(
    tmp_path: Path, sound: bytes, measurement: Make, seed: int
):
    """Each damage is either found and set aside, or harmless to everything that is asked."""
    rng = random.Random(seed)
    for number in range(40):
        data = bytearray(sound)
        if number % 4 == 0:
            del data[rng.randrange(1, len(data)) :]
        else:
            end = 100 if number % 2 else len(data)  # every other one in the header
            data[rng.randrange(end)] ^= 1 << rng.randrange(8)
        path = tmp_path / f"{number}.sqlite3"
        path.write_bytes(data)
        opened = open_history(path, 30)
        with opened.history:
            assert opened.history.persistent
            assert _works(opened, measurement)
            assert len(_asides(path)) == len(opened.messages)
        if opened.messages:
            assert _asides(path)[0].stat().st_size >= min(len(data), 4096)


def test_two_damages_within_a_second_keep_both_files(path: Path):
    for number in range(3):
        path.write_bytes(b"broken %d" % number)
        open_history(path, 30).history.close()
    assert {p.read_bytes() for p in _asides(path)} == {b"broken 0", b"broken 1", b"broken 2"}


def test_the_log_and_index_of_a_damaged_database_go_with_it(path: Path, sound: bytes):
    path.write_bytes(sound[:100] + bytes(len(sound) - 100))
    Path(f"{path}-wal").write_bytes(b"something")
    open_history(path, 30).history.close()
    (aside,) = _asides(path)
    assert not Path(f"{path}-wal").exists() or Path(f"{path}-wal").read_bytes() != b"something"
    assert aside.exists()


def test_a_damaged_log_costs_at_most_its_rows(path: Path, sound: bytes, measurement: Make):
    path.write_bytes(sound)
    Path(f"{path}-wal").write_bytes(os.urandom(4000))
    opened = open_history(path, 30)
    with opened.history:
        assert opened.messages == ()
        assert opened.history.counts()["measurements"] == 60
        assert _works(opened, measurement)


def test_a_later_versions_history_is_set_aside_whole(path: Path, sound: bytes, measurement: Make):
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    opened = open_history(path, 30)
    with opened.history:
        assert "written by a later version" in opened.messages[0]
        (aside,) = _asides(path)
        assert aside.name.startswith("history.sqlite3.newer-")
        assert _works(opened, measurement)
    kept = sqlite3.connect(aside)
    assert kept.execute("SELECT count(*) FROM measurements").fetchone() == (60,)
    kept.close()


def test_another_programs_database_is_left_alone(path: Path, measurement: Make):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    opened = open_history(path, 30)
    with opened.history:
        assert "another program's database (its tables are bookmarks)" in opened.messages[0]
        assert not opened.history.persistent
        assert _works(opened, measurement)
    assert path.read_bytes() == before
    assert _asides(path) == []


def test_a_directory_in_its_place_is_left_alone(path: Path, measurement: Make):
    (path / "precious").mkdir(parents=True)
    opened = open_history(path, 30)
    with opened.history:
        assert "is a directory" in opened.messages[0]
        assert "Set history.path" in opened.messages[0]
        assert not opened.history.persistent
        assert _works(opened, measurement)
    assert (path / "precious").is_dir()


def test_a_socket_in_its_place_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(path.parent)  # socket paths are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)
        opened = open_history(path, 30)
        opened.history.close()
    assert "is not a regular file" in opened.messages[0]


def test_a_place_that_cannot_be_made(tmp_path: Path, measurement: Make):
    (tmp_path / "file").touch()
    opened = open_history(tmp_path / "file" / "h.sqlite3", 30)
    with opened.history:
        assert "File exists" in opened.messages[0] or "Not a directory" in opened.messages[0]
        assert _works(opened, measurement)


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_directory_that_may_not_be_written(tmp_path: Path, mode: int):
    """In a process of its own, which is nobody's if we are root: root may write anywhere."""
    folder = tmp_path / "folder"
    folder.mkdir()
    code = (
        "import os, sys; from pathlib import Path;"
        "from chronotick.history import boot_id, open_history;"
        "boot_id();"  # loads what nobody may not read where the interpreter is root's own
        "os.chdir(sys.argv[1]); os.getuid() or os.setuid(65534);"
        "opened = open_history(Path('folder/h.sqlite3'), 30);"
        "opened.history.close();"
        "print(opened.history.persistent, *opened.messages)"
    )
    tmp_path.chmod(0o755)
    folder.chmod(mode)
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    folder.chmod(0o755)
    assert done.stdout.startswith("False history: folder")
    assert "Permission denied" in done.stdout


def test_a_database_locked_by_another_program(path: Path, sound: bytes, measurement: Make):
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA locking_mode = EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    opened = open_history(path, 30)
    with opened.history:
        assert "locked" in opened.messages[0]
        assert not opened.history.persistent
        assert _works(opened, measurement)
    blocker.close()
    assert path.read_bytes() == sound


def test_after_a_failed_opening_the_next_one_finds_no_lock(path: Path, sound: bytes):
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    with open_history(path, 30).history:
        blocker.close()
        opened = open_history(path, 30)
        opened.history.close()
        assert opened.messages == ()


def _everything(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_a_diagnosis_of_a_sound_history_leaves_nothing_behind(path: Path, sound: bytes):
    before = _everything(path.parent)
    assert diagnose(path) is None
    assert _everything(path.parent) == before
    assert before[path.name] == sound


def test_a_diagnosis_finds_damage_and_leaves_it(path: Path, sound: bytes):
    path.write_bytes(sound[:4096] + b"\xff" * 4096 + sound[8192:])
    before = _everything(path.parent)
    trouble = diagnose(path)
    assert trouble is not None
    assert (trouble.words.startswith(f"{path} is damaged"), trouble.aside) == (
        True,
        f"{path.name}.corrupt-…",
    )
    assert _everything(path.parent) == before


def test_a_diagnosis_makes_no_directory(tmp_path: Path):
    assert diagnose(tmp_path / "a" / "h.sqlite3") is None
    assert list(tmp_path.iterdir()) == []


def test_a_diagnosis_says_who_has_the_file_and_lets_the_next_one_have_it(path: Path):
    with open_history(path, 30).history as history:
        history.flush()
        trouble = diagnose(path)
    assert trouble is not None
    assert trouble.words == f"{path} is in use by another daemon (process {os.getpid()})"
    assert trouble.aside == ""
    assert diagnose(path) is None
    with open_history(path, 30).history as history:
        assert history.persistent


def test_who_only_looks_at_the_lock_keeps_no_daemon_from_its_history(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    lock = os.open(f"{path}.lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_SH)
    monkeypatch.setattr("chronotick.history.lock.time.sleep", lambda _: os.close(lock))
    with open_history(path, 30).history as history:
        assert history.persistent


def test_a_diagnosis_reads_what_a_killed_daemon_left_in_the_log(path: Path, sound: bytes):
    """Without it the newest of the file would be missed, and a change half done called damage."""
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("UPDATE measurements SET stratum = 3")
    writer.execute("PRAGMA user_version = 999")
    kept = {ending: Path(f"{path}{ending}").read_bytes() for ending in ("-wal", "-shm")}
    writer.close()
    path.write_bytes(sound)
    for ending, content in kept.items():
        Path(f"{path}{ending}").write_bytes(content)
    trouble = diagnose(path)
    assert trouble is not None
    assert "later version" in trouble.words
    assert Path(f"{path}-wal").read_bytes() == kept["-wal"]
