"""Our own code in an environment: the sources where they are, or a copy of what is installed."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import chronotick
from chronotick.workers import Lease, command, prune
from chronotick.workers.distributions import bring, own_code


def install_regularly(site: Path, name: str, files: dict[str, str]) -> None:
    """Lay out a distribution as an installer does: files, metadata and a RECORD with hashes."""
    info = f"{name}-1.0.dist-info"
    files = files | {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    lines = [f"{info}/RECORD,,", "../../../bin/tool,,", f"{name}/__pycache__/x.pyc,,"]
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f"{path},sha256={digest.decode()},{len(text)}")
    (site / info / "RECORD").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(str(directory))
    return directory


def test_editable_sources_are_used_in_place():
    code = own_code("chronotick")
    assert code.source_root == Path(chronotick.__file__).parents[1]
    assert code.files == ()


def test_installed_distribution_is_known_by_its_record(site: Path):
    install_regularly(site, "regular", {"regular/__init__.py": "value = 1\n"})
    code = own_code("regular")
    assert (code.name, code.version, code.source_root) == ("regular", "1.0", None)
    assert {str(file) for file in code.files} == {
        "regular/__init__.py",
        "regular-1.0.dist-info/METADATA",
    }


def test_only_content_changes_the_directory_of_a_copy(site: Path, tmp_path: Path):
    files = {"regular/__init__.py": "value = 1\n"}
    install_regularly(site, "regular", files)
    first = own_code("regular").directory(tmp_path)
    with (site / "regular-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("regular/__pycache__/y.pyc,,\n")
    assert own_code("regular").directory(tmp_path) == first
    (site / "regular" / "__init__.py").write_text("value = 2\n")  # RECORD still has the old hash
    assert own_code("regular").directory(tmp_path) != first


def test_copy_can_be_imported_and_the_rest_cannot(site: Path, tmp_path: Path):
    install_regularly(site, "regular", {"regular/__init__.py": "value = 1\n", "regular/a.txt": ""})
    (site / "neighbour.py").touch()
    paths, descriptors = zip(
        *(bring(own_code(name), tmp_path) for name in ("chronotick", "regular")), strict=True
    )
    assert paths == (Path(chronotick.__file__).parents[1], own_code("regular").directory(tmp_path))
    assert (paths[1] / "regular" / "a.txt").is_file()
    script = tmp_path / "question.py"
    script.write_text(
        "import regular, chronotick, importlib.metadata as m, importlib.util as u\n"
        "print(regular.__file__, m.version('regular'), u.find_spec('neighbour'))\n"
    )
    line = command(Lease(Path(sys.executable), paths), script)
    run = subprocess.run(line, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(paths[1] / "regular" / "__init__.py"), "1.0", "None"]
    assert descriptors[0] is None
    os.close(descriptors[1])


def test_going_back_to_an_earlier_version_copies_nothing(site: Path, tmp_path: Path):
    def brought(value: int) -> Path:
        install_regularly(site, "regular", {"regular/__init__.py": f"value = {value}\n"})
        path, descriptor = bring(own_code("regular"), tmp_path)
        os.close(descriptor)
        return path

    first, second = brought(1), brought(2)
    inode = (first / "regular" / "__init__.py").stat().st_ino
    assert first != second
    assert brought(1) == first
    assert (first / "regular" / "__init__.py").stat().st_ino == inode


def test_half_made_copy_is_made_again(site: Path, tmp_path: Path):
    install_regularly(site, "regular", {"regular/__init__.py": "value = 1\n"})
    directory = own_code("regular").directory(tmp_path)
    directory.mkdir(parents=True)
    (directory / "stale.py").touch()
    path, descriptor = bring(own_code("regular"), tmp_path)
    assert (path / "regular" / "__init__.py").is_file()
    assert not (path / "stale.py").exists()
    os.close(descriptor)


def test_copy_in_use_is_not_pruned(site: Path, tmp_path: Path):
    install_regularly(site, "regular", {"regular/__init__.py": ""})
    path, descriptor = bring(own_code("regular"), tmp_path)
    assert prune(tmp_path, keep=()) == ()
    os.close(descriptor)
    assert prune(tmp_path, keep=()) == (path,)


@pytest.mark.parametrize("mark", ["other-1.0.dist-info", None])
def test_directory_of_installed_packages_is_never_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str | None
):
    """It would bring every other package there into the environment."""
    place = tmp_path / ("target" if mark else "site-packages")
    (place / "loose").mkdir(parents=True)
    (place / "loose" / "__init__.py").touch()
    if mark:
        (place / mark).mkdir()
    monkeypatch.syspath_prepend(str(place))
    with pytest.raises(RuntimeError, match="belongs to no installed distribution"):
        own_code("loose")


def test_module_of_the_standard_library_is_not_our_code():
    with pytest.raises(RuntimeError, match="belongs to no installed distribution"):
        own_code("json")


def test_absent_package_is_named():
    with pytest.raises(ModuleNotFoundError, match="no package 'absent_package'"):
        own_code("absent_package")
