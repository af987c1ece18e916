"""Keys that servers need are looked at when a configuration is checked, loaded or reloaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.cli.fitting import misfits
from chronotick.config import load
from chronotick.plugin.registry import load_plugins

SECRET = "correct-horse-battery"  # noqa: S105 - of nobody


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"10 SHA256 {SECRET}\n")
    path.chmod(0o600)
    return path


def told(keys: Path, *servers: str) -> list[str]:
    config = keys.with_name("c.yaml")
    config.write_text(
        f"clock_measurement:\n  ntp:\n    servers: [{', '.join(servers)}]\n    key_file: {keys}\n"
    )
    problems = [str(problem) for problem in misfits(load(config, {}, {}), load_plugins())]
    place = f"clock_measurement.ntp.key_file ({config}:4): "
    assert all(problem.startswith(place) for problem in problems)
    return [problem.removeprefix(place) for problem in problems]


def test_a_file_with_the_key_fits(keys: Path):
    assert told(keys, "key://10@192.0.2.1") == []


def test_a_key_that_the_file_does_not_have_is_told_with_both(keys: Path):
    assert told(keys, "key://10@192.0.2.1", "key://11@192.0.2.1", "key://12@192.0.2.1") == [
        f"{keys}: there is no key {number}. Add the server's line of that number. A new key has "
        f"to be on both: what `chronyc keygen {number} AES128` prints"
        for number in (11, 12)
    ]


def test_a_mistake_in_the_file_is_told_once_with_its_line_and_without_the_secret(keys: Path):
    keys.write_text(f"10 SHA257 {SECRET}\n11 SHA256 {SECRET}\n")
    (problem,) = told(keys, "key://10@192.0.2.1", "key://11@192.0.2.1", "key://10@192.0.2.2")
    assert problem.startswith(f"{keys}:1: the key's type is none of AES128")
    assert SECRET not in problem


def test_a_file_that_others_may_read_is_told(keys: Path):
    keys.chmod(0o644)
    assert told(keys, "key://10@192.0.2.1") == [
        f"{keys}: others may read it. Run: chmod 640 {keys}"
    ]


def test_a_file_that_no_server_needs_is_not_looked_at(keys: Path):
    keys.unlink()
    assert told(keys, "192.0.2.1") == []
