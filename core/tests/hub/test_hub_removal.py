from __future__ import annotations

import os
from pathlib import Path

import pytest

from chronotick.hub import Hub, download, entry, import_directory, removal
from chronotick.hub.licences import is_non_commercial, is_open
from chronotick.hub.testing import FakeHub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def pull(revision: str | None) -> Path:
    asked = Hub.from_environment()
    return download(asked, asked.release("org/name", revision))


def test_the_only_revision_goes_with_everything(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", files)
    pull(None)
    found = removal(entry("org/name"), None)
    assert found is not None
    assert found.whole
    assert found.freed_bytes >= len(files["model.safetensors"])
    found.carry_out()
    assert not entry("org/name").path.exists()
    assert removal(entry("org/name"), None) is None


def test_what_another_revision_needs_stays(hub: FakeHub, files: dict[str, bytes]):
    old = hub.publish("org/name", files)
    kept = pull(old)
    hub.publish("org/name", files | {"config.json": b'{"new": 1}'})
    gone = pull(None)
    found = removal(entry("org/name"), None)
    assert found is not None
    assert (found.whole, len(found.blobs)) == (False, 1)
    found.carry_out()
    assert not gone.exists()
    assert entry("org/name").snapshot(None) is None
    assert (kept / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_files_in_folders_of_another_revision_stay(hub: FakeHub, files: dict[str, bytes]):
    """Other programs download whole repositories; the same blob may be at the top of ours."""
    mine = pull(hub.publish("org/name", files))
    blob = (mine / "model.safetensors").resolve()
    theirs = entry("org/name").snapshot_of(COMMIT) / "onnx" / "model.onnx"
    theirs.parent.mkdir(parents=True)
    theirs.symlink_to(os.path.relpath(blob, theirs.parent))
    found = removal(entry("org/name"), mine.name)
    assert found is not None
    found.carry_out()
    assert not mine.exists()
    assert theirs.read_bytes() == files["model.safetensors"]


def test_what_came_to_be_needed_after_the_question_stays(hub: FakeHub, files: dict[str, bytes]):
    mine = pull(hub.publish("org/name", files))
    found = removal(entry("org/name"), mine.name)
    assert found is not None
    assert found.whole
    other = pull(hub.publish("org/name", files | {"config.json": b'{"new": 1}'}))
    found.carry_out()
    assert not mine.exists()
    assert (other / "model.safetensors").read_bytes() == files["model.safetensors"]
    found.carry_out()  # and what is gone already is no problem
    assert (other / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_imported_files_are_freed_only_where_nobody_else_has_them(weights: Path):
    import_directory(weights, "org/name", COMMIT)
    linked = removal(entry("org/name"), COMMIT)
    assert linked is not None
    assert linked.freed_bytes == 0
    size = (weights / "model.safetensors").stat().st_size
    for path in weights.iterdir():
        path.unlink()
    alone = removal(entry("org/name"), COMMIT)
    assert alone is not None
    assert alone.freed_bytes >= size
    alone.carry_out()
    assert not entry("org/name").path.exists()


def test_rests_of_a_download_can_be_removed(own_cache: Path):
    part = entry("org/name").blob("abc.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(10_000))
    found = removal(entry("org/name"), None)
    assert found is not None
    assert found.snapshot is None
    found.carry_out()
    assert not part.exists()


@pytest.mark.parametrize("licence", ["Apache-2.0", "apache-2.0", "MIT", "CC-BY-4.0"])
def test_open_licences(licence: str):
    assert is_open(licence)
    assert not is_non_commercial(licence)


@pytest.mark.parametrize(
    "licence", ["CC-BY-NC-4.0", "cc-by-nc-sa-4.0", "timesfm-non-commercial", "x-research-only"]
)
def test_licences_that_forbid_commercial_use(licence: str):
    assert is_non_commercial(licence)
    assert not is_open(licence)


@pytest.mark.parametrize("licence", ["", "other", "llama3", "GPL-3.0-only"])
def test_other_licences_need_a_person(licence: str):
    assert not is_open(licence)
    assert not is_non_commercial(licence)
