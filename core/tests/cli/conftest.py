from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chronotick.cli.main import chronotick


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run a command where no daemon is."""
    monkeypatch.setenv("CHRONOTICK_SHM", str(tmp_path / "record"))
    monkeypatch.setenv("CHRONOTICK_CONTROL", str(tmp_path / "control.sock"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def invoke(*args: str, command=chronotick) -> Result:
        return CliRunner().invoke(command, list(args), catch_exceptions=False)

    return invoke
