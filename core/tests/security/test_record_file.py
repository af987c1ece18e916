"""The record in a directory that is everybody's, as /dev/shm is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chronotick.shm.errors import RecordError
from chronotick.shm.writer import RecordWriter


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory as /dev/shm: everybody may write, nobody remove what is another's."""
    directory = tmp_path / "shm"
    directory.mkdir()
    directory.chmod(0o1777)
    return directory


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_it_is_ours_for_others_to_read_only(shared: Path, umask: int):
    before = os.umask(umask)
    try:
        RecordWriter(shared / "record").close()
    finally:
        os.umask(before)
    found = (shared / "record").lstat()
    assert stat.S_IMODE(found.st_mode) == 0o644
    assert found.st_uid == os.geteuid()


def test_a_link_to_a_file_of_ours_is_not_followed(shared: Path, tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    (shared / "record").symlink_to(victim)
    with pytest.raises(RecordError, match="symbolic link"):
        RecordWriter(shared / "record")
    assert victim.read_bytes() == b""


def test_a_link_to_nothing_makes_no_file(shared: Path, tmp_path: Path):
    (shared / "record").symlink_to(tmp_path / "new")
    with pytest.raises(RecordError, match="symbolic link"):
        RecordWriter(shared / "record")
    assert not (tmp_path / "new").exists()


def test_a_second_name_of_a_file_of_ours_is_not_written_to(shared: Path, tmp_path: Path):
    """An empty file of the daemon's user, linked to there by another, became a record."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    os.link(victim, shared / "record")
    with pytest.raises(RecordError, match=r"2 names \(hard links\); choose another path"):
        RecordWriter(shared / "record")
    assert victim.read_bytes() == b""


def test_a_record_that_another_user_put_there_first_is_not_taken(shared: Path, stranger: int):
    planted = shared / "record"
    RecordWriter(planted).close()
    os.chown(planted, stranger, stranger)
    content = planted.read_bytes()
    with pytest.raises(RecordError, match=f"belongs to user {stranger}"):
        RecordWriter(planted)
    assert planted.read_bytes() == content
    assert planted.stat().st_uid == stranger
