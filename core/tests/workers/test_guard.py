"""Locks between real processes, which may be killed and whose lock files may be removed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chronotick.workers.guard import claim, claimed, lock_file, remove_lock, share

CLAIMER = """
import sys, threading, time
from pathlib import Path
from chronotick.workers.guard import claimed
with claimed(Path(sys.argv[1]), threading.Event(), lambda: print("waiting", flush=True)):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "toy-0123456789ab"


def claimer(directory: Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", CLAIMER, str(directory)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def test_shared_by_many_claimed_by_none(directory: Path):
    held = [share(directory), share(directory)]
    assert claim(directory) is None
    for descriptor in held:
        assert descriptor is not None
        os.close(descriptor)
    descriptor = claim(directory)
    assert descriptor is not None
    os.close(descriptor)


def test_killed_process_leaves_nothing_locked_and_the_next_one_goes_on(directory: Path):
    with claimer(directory) as first, claimer(directory) as second:
        assert first.stdout is not None
        assert second.stdout is not None
        firsts = {first: first.stdout.readline(), second: second.stdout.readline()}
        assert sorted(firsts.values()) == ["held\n", "waiting\n"]
        holder, waiter = sorted(firsts, key=lambda process: firsts[process])
        holder.kill()
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == "held\n"
        waiter.kill()


def test_child_that_inherits_the_lock_keeps_it(directory: Path):
    """What a killed builder started may still write: the directory is not free yet."""
    with claimed(directory, threading.Event(), lambda: None) as descriptor:
        line = [sys.executable, "-c", "input()"]
        child = subprocess.Popen(line, stdin=subprocess.PIPE, pass_fds=(descriptor,))
    assert claim(directory) is None
    child.communicate(b"end\n")
    descriptor = claim(directory)
    assert descriptor is not None
    os.close(descriptor)


def test_lock_on_a_removed_file_guards_nothing_so_it_is_taken_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
):
    """A pruner removes the file between another process' opening and locking it."""
    lock, flock, raced = lock_file(directory), fcntl.flock, []

    def removed_meanwhile(descriptor: int, operation: int) -> None:
        if not raced:
            raced.append(lock.stat().st_ino)
            lock.rename(lock.with_name("removed"))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    descriptor = claim(directory)
    assert descriptor is not None
    assert os.fstat(descriptor).st_ino == lock.stat().st_ino != raced[0]
    os.close(descriptor)


def test_lock_file_of_a_directory_that_is_there_or_held_stays(directory: Path):
    held = share(directory)
    assert held is not None
    assert not remove_lock(directory)
    os.close(held)
    directory.mkdir()
    assert not remove_lock(directory)
    directory.rmdir()
    assert remove_lock(directory)
    assert not lock_file(directory).exists()
