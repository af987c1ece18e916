"""``chronotick neighbours`` as a supervisor runs it: signals, exit codes, one sentence each."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chronotick.cli.neighbours import neighbours
from chronotick.neighbours.problem import NeighbourError
from chronotick.neighbours.serving import Plan, serve

COMMAND = (sys.executable, "-m", "chronotick", "neighbours")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "use --ntp, --sock or --clockbound"),
        (["--ntp", "127.0.0.1"], "HOST:PORT"),
        (["--ntp", "127.0.0.1:x"], "HOST:PORT"),
        (["--ntp", "127.0.0.1:123456"], "HOST:PORT"),
        (["--ntp", "127.0.0.1:0", "--ntp-rate", "0"], "--ntp-rate"),
        (["--sock", "x", "--sock-interval", "nan"], "--sock-interval"),
    ],
)
def test_bad_arguments_end_with_code_2(options, words):
    done = CliRunner().invoke(neighbours, options)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_taken_port_ends_it_with_one_sentence_and_code_1():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        command = [*COMMAND, "--ntp", f"127.0.0.1:{other.getsockname()[1]}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith("chronotick: NTP: cannot answer on 127.0.0.1")


async def test_nothing_is_begun_when_one_of_several_cannot_be(tmp_path: Path, caplog):
    """Sockets that were taken already are given back: warnings are errors here."""
    caplog.set_level(logging.INFO, "chronotick.neighbours")
    (tmp_path / "file").write_text("precious")
    plan = Plan(
        ntp=[("127.0.0.1", 0), ("::1", 0)], sock=[tmp_path / "s"], clockbound=tmp_path / "file"
    )
    with pytest.raises(NeighbourError, match="not a segment"):
        await serve(plan)
    assert "answering" not in caplog.text
    assert (tmp_path / "file").read_text() == "precious"


def test_a_signal_ends_it_in_good_order(tmp_path: Path):
    options = ["--ntp", "[::1]:0", "--clockbound", "--log-level", "info"]
    with subprocess.Popen([*COMMAND, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("no time is handed on" in line for line in lines)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(timeout=20) == 0
    assert "stopped answering" in rest
    assert "Traceback" not in rest
    assert (tmp_path / "clockbound.shm0").stat().st_size == 80  # beside the control socket


@pytest.mark.parametrize("named", [[], ["{}/none/none/segment"]])
def test_directories_that_may_be_typing_errors_are_not_made(tmp_path: Path, named: list[str]):
    options = ["--socket", f"{tmp_path}/none/none/control.sock", "--clockbound"]
    options += [each.format(tmp_path) for each in named]
    done = CliRunner().invoke(neighbours, options)
    assert done.exit_code == 1
    assert f"the directory {tmp_path}/none/none does not exist" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_segment_that_another_program_takes_over_ends_it(tmp_path: Path):
    options = ["--clockbound", str(tmp_path / "segment")]
    with subprocess.Popen([*COMMAND, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("no time" in line for line in iter(process.stderr.readline, ""))
        (tmp_path / "segment").unlink()
        rest = process.stderr.read()
        assert process.wait(timeout=20) == 1
    assert "removed or replaced" in rest
    assert "Traceback" not in rest
