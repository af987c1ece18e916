"""Our own code in an environment: the sources where they are, or a copy of what is installed."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

import chronotick
from chronotick.workers.distributions import PATH_FILE, install, own_code


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
        "regular-1.0.dist-info/RECORD",
    }


def test_changed_file_changes_the_identity(site: Path):
    install_regularly(site, "regular", {"regular/__init__.py": "value = 1\n"})
    before = own_code("regular").identity
    install_regularly(site, "regular", {"regular/__init__.py": "value = 2\n"})
    assert own_code("regular").identity != before


def test_copy_can_be_imported_and_the_rest_cannot(site: Path, tmp_path: Path):
    install_regularly(site, "regular", {"regular/__init__.py": "value = 1\n", "regular/a.txt": ""})
    (site / "neighbour.py").touch()
    environment, copies = tmp_path / "environment", tmp_path / "copies"
    environment.mkdir()
    install([own_code("regular"), own_code("chronotick")], environment, copies)
    assert (copies / "regular" / "a.txt").is_file()
    assert sorted(path.name for path in environment.iterdir()) == [PATH_FILE]
    program = (
        f"import site; site.addsitedir({str(environment)!r})\n"
        "import regular, chronotick, importlib.metadata as m, importlib.util as u\n"
        "print(regular.__file__, m.version('regular'), u.find_spec('neighbour'))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [str(copies / "regular" / "__init__.py"), "1.0", "None"]


def test_package_without_distribution_among_installed_ones_is_refused():
    with pytest.raises(RuntimeError, match="belongs to no installed distribution"):
        own_code("json")


def test_absent_package_is_named():
    with pytest.raises(ModuleNotFoundError, match="no package 'absent_package'"):
        own_code("absent_package")
