from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chronotick.hub import HubProblem, UnusableWeights, entry, import_directory, lacking
from chronotick.hub.tensors import check_tensors
from chronotick.hub.testing import tensors_file

TENSORS = "model.safetensors"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_pinned_commit_is_found_and_shares_the_disk_space(weights: Path):
    done = import_directory(weights, "org/name", COMMIT)
    place = entry("org/name")
    assert place.snapshot(COMMIT) == done.directory
    assert (done.directory / TENSORS).samefile(weights / TENSORS)
    assert (done.linked, done.copied) == (5, 0)
    assert place.note(COMMIT)["imported_from"] == str(weights)


def test_pickles_are_left_out_and_named(weights: Path):
    done = import_directory(weights, "org/name", COMMIT)
    assert done.left_out == ("pytorch_model.bin",)
    assert not (done.directory / "pytorch_model.bin").exists()


def test_branch_gets_a_commit_made_of_the_content(weights: Path):
    done = import_directory(weights, "org/name", None)
    assert entry("org/name").commit(None) == done.commit
    assert len(done.commit) == 40


def test_another_disk_is_copied_to(weights: Path, tmp_path: Path):
    shm = Path("/dev/shm")  # noqa: S108 - another file system, on every Linux
    if not os.access(shm, os.W_OK) or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system that can be written to")
    cache = shm / f"chronotick-test-{os.getpid()}"
    try:
        done = import_directory(weights, "org/name", COMMIT, cache)
        assert (done.linked, done.copied) == (0, 5)
        assert (done.directory / TENSORS).read_bytes() == (weights / TENSORS).read_bytes()
    finally:
        shutil.rmtree(cache)


def test_links_of_a_cache_are_followed(weights: Path, tmp_path: Path):
    source = tmp_path / "snapshot"
    source.mkdir()
    for name in ("config.json", TENSORS):
        (source / name).symlink_to(weights / name)
    done = import_directory(source, "org/name", COMMIT)
    assert not (done.directory / TENSORS).is_symlink()


def test_same_again_changes_nothing(weights: Path):
    first = import_directory(weights, "org/name", None)
    again = import_directory(weights, "org/name", None)
    assert again.already_there
    assert again.directory == first.directory


def test_others_are_not_replaced(weights: Path, tmp_path: Path):
    first = import_directory(weights, "org/name", COMMIT)
    before = (first.directory / TENSORS).read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    (other / TENSORS).write_bytes(tensors_file({"c": 3}))
    with pytest.raises(HubProblem, match=r"other weights .* Remove them first"):
        import_directory(other, "org/name", COMMIT)
    assert (first.directory / TENSORS).read_bytes() == before


def test_half_downloaded_ones_are_replaced(weights: Path):
    half = entry("org/name").snapshot_of(COMMIT)
    half.mkdir(parents=True)
    (half / "config.json").write_text("{}")
    done = import_directory(weights, "org/name", COMMIT)
    assert lacking(done.directory) == []


def test_shards_must_all_be_there(weights: Path):
    (weights / TENSORS).rename(weights / "model-00001-of-00002.safetensors")
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = {"weight_map": {"a": names[0], "b": names[1]}}
    (weights / f"{TENSORS}.index.json").write_text(json.dumps(index))
    with pytest.raises(UnusableWeights, match=r"lacks model-00002-of-00002.safetensors"):
        import_directory(weights, "org/name", COMMIT)
    (weights / names[1]).write_bytes(tensors_file({"b": 5}))
    assert lacking(import_directory(weights, "org/name", COMMIT).directory) == []


@pytest.mark.parametrize(
    "index",
    [
        "[]",
        '{"weight_map": {}}',
        '{"weight_map": {"a": "/etc/model.safetensors"}}',
        '{"weight_map": {"a": "../model.safetensors"}}',
    ],
)
def test_unreadable_index_is_no_weights(weights: Path, index: str):
    (weights / TENSORS).unlink()
    (weights / f"{TENSORS}.index.json").write_text(index)
    with pytest.raises(UnusableWeights, match=r"lacks a readable model.safetensors.index.json"):
        import_directory(weights, "org/name", COMMIT)


def test_pickles_alone_are_refused_with_the_reason(weights: Path):
    (weights / TENSORS).unlink()
    with pytest.raises(UnusableWeights, match=r"pytorch_model.bin: pickles run code"):
        import_directory(weights, "org/name", COMMIT)
    assert not entry("org/name").path.exists()


def headed(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


BROKEN = {
    "empty": b"",
    "too short": b"\x01\x00",
    "a pickle": pickle.dumps({"weights": list(range(50))}),
    "no object": (2).to_bytes(8, "little") + b"[]",
    "header is no JSON": (4).to_bytes(8, "little") + b"{ad}",
    "nested": headed(b"[" * 100_000),
    "offsets of text": headed(b'{"a":{"shape":[],"data_offsets":["start","end"]}}'),
    "negative shape": headed(b'{"a":{"shape":[-1],"data_offsets":[0,0]}}'),
    "no offsets": (8).to_bytes(8, "little") + b'{"a":{}}',
    "endless header": (2**62).to_bytes(8, "little") + b"{}",
    "cut short": tensors_file({"a": 100})[:-1],
    "too long": tensors_file({"a": 100}) + b"x",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_damaged_tensors_are_refused_and_nothing_is_changed(weights: Path, content: bytes):
    (weights / TENSORS).write_bytes(content)
    with pytest.raises(UnusableWeights, match=str(weights / TENSORS)):
        import_directory(weights, "org/name", COMMIT)
    assert not entry("org/name").path.exists()


def test_whole_tensors_are_counted(weights: Path):
    assert check_tensors(weights / TENSORS) == 50_000


def test_settings_that_are_no_json_are_refused(weights: Path):
    (weights / "config.json").write_text("{")
    with pytest.raises(UnusableWeights, match=r"config.json is not JSON"):
        import_directory(weights, "org/name", COMMIT)


def test_missing_directory(tmp_path: Path):
    with pytest.raises(UnusableWeights, match="there is no directory"):
        import_directory(tmp_path / "nowhere", "org/name", COMMIT)


def test_killed_half_way_leaves_nothing_that_looks_complete(weights: Path, own_cache: Path):
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom chronotick.hub import importing\n"
        "link = importing._link_or_copy\n"
        "def die(source, target):\n"
        f"    if source.name == {TENSORS!r}: os.kill(os.getpid(), 9)\n"
        "    return link(source, target)\n"
        "importing._link_or_copy = die\n"
        f"importing.import_directory(Path(sys.argv[1]), 'org/name', {COMMIT!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(weights)], check=False)
    assert done.returncode == -9
    place = entry("org/name")
    assert place.snapshot(COMMIT) is None
    assert place.snapshots() == []
    imported = import_directory(weights, "org/name", COMMIT)
    assert list(imported.directory.parent.iterdir()) == [imported.directory]


def test_cache_that_cannot_be_written_is_named(weights: Path, own_cache: Path):
    own_cache.parent.mkdir()
    own_cache.write_text("a file where a directory belongs")
    with pytest.raises(HubProblem, match=rf"{own_cache}.*set HF_HOME elsewhere"):
        import_directory(weights, "org/name", COMMIT)
