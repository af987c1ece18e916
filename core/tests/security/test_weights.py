"""Weights may come from anybody: nothing in them is run, and nothing leaves its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chronotick.hub import UnusableWeights, entry, import_directory, importing
from chronotick.hub.content import wanted
from chronotick.hub.testing import tensors_file
from chronotick.plugin.weights import find, locate

TENSORS, CONFIG = "model.safetensors", "config.json"
PICKLES = ("pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PAYLOAD = b"cos\nsystem\n(S'touch pwned'\ntR."
"""A pickle that runs a command when it is loaded."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "stick"
    directory.mkdir()
    (directory / CONFIG).write_text("{}")
    (directory / TENSORS).write_bytes(tensors_file({"a": 10}))
    (directory / "LICENSE").write_text("free")
    return directory


@pytest.mark.parametrize("name", PICKLES)
def test_weights_in_a_pickle_are_not_weights(source: Path, name: str):
    (source / TENSORS).unlink()
    (source / name).write_bytes(PAYLOAD)
    with pytest.raises(FileNotFoundError, match=f"lacks {TENSORS}"):
        locate(str(source), "chronos")
    with pytest.raises(UnusableWeights, match=f"{name}: pickles run code"):
        import_directory(source, "org/name", COMMIT)
    assert not entry("org/name").path.exists()


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_beside_tensors_never_gets_into_the_cache(source: Path, name: str):
    (source / name).write_bytes(PAYLOAD)
    done = import_directory(source, "org/name", COMMIT)
    assert done.left_out == (name,)
    assert sorted(path.name for path in done.directory.iterdir()) == ["LICENSE", CONFIG, TENSORS]


def test_a_pickle_called_safetensors_is_no_weights(source: Path):
    (source / TENSORS).write_bytes(PAYLOAD)
    with pytest.raises(ValueError, match="no safetensors file"):
        locate(str(source), "chronos")


@pytest.mark.parametrize("name", ["modeling_x.py", "configuration_x.py", "setup.py", "run.sh"])
def test_code_beside_the_weights_is_not_taken(source: Path, name: str):
    (source / name).write_text("raise SystemExit")
    assert not wanted(name)
    assert not (import_directory(source, "org/name", COMMIT).directory / name).exists()


@pytest.mark.parametrize(
    "name", ["../config.json", "/etc/config.json", "a/config.json", "a\0.json"]
)
def test_names_that_leave_the_directory_are_no_files_of_a_repository(name: str):
    assert not wanted(name)


@pytest.mark.parametrize("revision", ["../../../refs", "/etc/x", "a/../../b"])
def test_a_revision_cannot_write_outside_of_the_cache(source: Path, tmp_path: Path, revision: str):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnusableWeights, match="is no revision"):
        import_directory(source, "org/name", revision)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "checkpoint", ["../x/y", "org/../../etc", "org/name@../../x", "org/na\nme"]
)
def test_a_hub_id_cannot_be_a_way_out_of_the_cache(checkpoint: str, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        find(checkpoint, "chronos")


def test_a_device_or_pipe_in_place_of_a_file_is_not_opened(source: Path):
    (source / CONFIG).unlink()
    os.mkfifo(source / CONFIG)  # to open it would wait for ever
    (source / "LICENSE").unlink()
    (source / "LICENSE").symlink_to("/dev/zero")
    with pytest.raises(UnusableWeights, match=f"lacks {CONFIG}"):
        import_directory(source, "org/name", COMMIT)
    (source / CONFIG).unlink()
    (source / CONFIG).write_text("{}")
    assert not (import_directory(source, "org/name", COMMIT).directory / "LICENSE").exists()


def test_settings_nested_without_end_are_refused(source: Path):
    """They ended the command with a traceback."""
    (source / CONFIG).write_text("[" * 200_000)
    with pytest.raises(UnusableWeights, match="nested too deeply"):
        import_directory(source, "org/name", COMMIT)


def test_settings_larger_than_any_are_refused_unread(source: Path):
    with (source / CONFIG).open("wb") as file:
        file.truncate(importing.LONGEST_JSON + 1)
    with pytest.raises(UnusableWeights, match="too many for settings"):
        import_directory(source, "org/name", COMMIT)


def test_a_link_to_a_secret_makes_no_readable_copy_of_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An archive may hold LICENSE -> ~/.ssh/id_rsa; the copy could be read by everybody."""
    secret = tmp_path / "id_rsa"
    secret.write_text("secret")
    secret.chmod(0o600)
    (source / "LICENSE").unlink()
    (source / "LICENSE").symlink_to(secret)

    def other_disk(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", other_disk)
    done = import_directory(source, "org/name", COMMIT)
    assert done.linked == 0
    assert stat.S_IMODE((done.directory / "LICENSE").stat().st_mode) == 0o600


def test_what_others_may_change_is_copied_not_linked(source: Path):
    """Whoever may write to the source could change the weights after they were checked."""
    (source / TENSORS).chmod(0o666)
    done = import_directory(source, "org/name", COMMIT)
    assert (done.linked, done.copied) == (2, 1)
    kept = done.directory / TENSORS
    assert not kept.samefile(source / TENSORS)
    assert stat.S_IMODE(kept.stat().st_mode) & 0o022 == 0


def test_a_private_groups_right_to_write_is_no_reason_to_copy(source: Path):
    """Where the umask is 002 all files have it: weights would take their space twice."""
    (source / TENSORS).chmod(0o664)
    assert import_directory(source, "org/name", COMMIT).linked == 3


def test_another_groups_right_to_write_is(source: Path, stranger: int):
    (source / TENSORS).chmod(0o664)
    os.chown(source / TENSORS, -1, stranger)
    assert import_directory(source, "org/name", COMMIT).linked == 2


def test_what_belongs_to_another_user_is_copied_not_linked(source: Path, stranger: int):
    os.chown(source / TENSORS, stranger, stranger)
    kept = import_directory(source, "org/name", COMMIT).directory / TENSORS
    assert not kept.samefile(source / TENSORS)
    assert kept.stat().st_uid == os.geteuid()
