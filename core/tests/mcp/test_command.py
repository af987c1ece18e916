from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chronotick.cli.main import chronotick, mcp_main
from chronotick.cli.mcp import _control_of_session


def test_the_socket_is_found_where_the_agents_program_hands_no_variable_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    socket_path = tmp_path / str(os.getuid()) / "chronotick" / "control.sock"
    monkeypatch.delenv("CHRONOTICK_CONTROL", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert _control_of_session(tmp_path) is None
    socket_path.parent.mkdir(parents=True)
    socket_path.touch()
    assert _control_of_session(tmp_path) == socket_path
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/elsewhere")
    assert _control_of_session(tmp_path) is None


def test_the_other_name_is_the_same_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["chronotick-stdio-server", "--help"])
    with pytest.raises(SystemExit) as ended:
        mcp_main()
    assert ended.value.code == 0
    assert "Model Context Protocol" in capsys.readouterr().out


def test_a_missing_sdk_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.startswith("chronotick.mcp.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("chronotick.mcp.serving", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server.auth.settings", None)
    done = CliRunner().invoke(chronotick, ["mcp"])
    assert done.exit_code == 1
    assert done.output == (
        "chronotick: this needs more packages. Run: pip install 'chronotick[mcp]'\n"
    )
