"""Where the daemon and its readers meet."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from chronotick.shm.errors import RecordHeld
from chronotick.shm.paths import default_control_socket, default_record_path, runtime_dir


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHRONOTICK_SHM", "CHRONOTICK_CONTROL", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHRONOTICK_SHM", "/a/record")
    monkeypatch.setenv("CHRONOTICK_CONTROL", "/a/socket")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/5")
    assert default_record_path() == Path("/a/record")
    assert default_control_socket() == Path("/a/socket")
    assert runtime_dir() == Path("/run/user/5/chronotick")


def test_the_record_lies_in_memory_where_there_is_a_place_for_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_record_path() == Path("/dev/shm/chronotick_shm")  # noqa: S108 - what is tested
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_record_path() == Path(tempfile.gettempdir(), "chronotick_shm")


def test_each_user_has_a_control_socket_of_his_own():
    own = Path(tempfile.gettempdir(), f"chronotick-{os.getuid()}")
    assert default_control_socket() == own / "control.sock"


def test_who_holds_a_record_is_named_once_he_has_said_so():
    assert "held by process 17;" in str(RecordHeld(Path("x"), 17))
    assert "held by process unknown;" in str(RecordHeld(Path("x"), 0))
