"""``chronotick monitor``: on a real terminal, through a real pipe, and where it cannot be shown."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from chronotick.cli.main import chronotick
from chronotick.shm.writer import RecordWriter

LONGEST_S = 50.0
COMMAND = [sys.executable, "-m", "chronotick", "monitor"]


@pytest.fixture
def environ(record: Path, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "CHRONOTICK_SHM": str(record),
        "CHRONOTICK_CONTROL": str(tmp_path / "control.sock"),
        "TERM": "xterm-256color",
    }


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal of 80 by 24: ours, and the program's."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def read_until(descriptor: int, text: bytes) -> bytes:
    seen, deadline_s = b"", time.monotonic() + LONGEST_S
    while text not in seen and time.monotonic() < deadline_s:
        if select.select([descriptor], [], [], 0.1)[0]:
            seen += os.read(descriptor, 65536)
    return seen


def test_it_runs_on_a_terminal_and_q_gives_the_terminal_back(
    environ: dict[str, str], writer: RecordWriter, terminal: tuple[int, int]
):
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    command = [*COMMAND, "--tui", "--interval", "0.1"]
    with subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as run:
        assert b"SYNCHRONISED" in read_until(ours, b"SYNCHRONISED")
        os.write(ours, b"q")
        assert b"\x1b[?1049l" in read_until(ours, b"\x1b[?1049l")  # the screen before it is back
        assert run.wait(LONGEST_S) == 0
    assert termios.tcgetattr(theirs) == before


def test_lines_come_at_once_and_a_reader_that_has_enough_ends_it_without_a_word(
    environ: dict[str, str], writer: RecordWriter
):
    command = [*COMMAND, "--interval", "0.01"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert "synchronised (ntp)" in run.stdout.readline()
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait(LONGEST_S) == 0


def test_without_textual_it_says_what_to_install(environ: dict[str, str]):
    program = (
        "import sys; sys.modules['textual'] = None; sys.argv = ['chronotick', 'monitor', '--tui']; "
        "from chronotick.cli.main import main; main()"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    advice = "Run: pip install 'chronotick[tui]'"
    assert done.stderr == f"chronotick: this needs more packages. {advice}\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "--tui needs a terminal"),
        (["--json"], "leave --json and --count out"),
        (["--count", "3"], "leave --json and --count out"),
        (["--interval", "0"], "--interval"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(options: list[str], told: str):
    result = CliRunner().invoke(chronotick, ["monitor", "--tui", *options])
    assert result.exit_code == 2
    assert told in result.output
