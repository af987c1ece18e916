"""Files for node_exporter, as the command writes them."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chronotick.cli.main import chronotick
from chronotick.metrics.textfile import replace_file
from chronotick.shm.writer import RecordWriter


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "CHRONOTICK_SHM": str(tmp_path / "record"),
        "CHRONOTICK_CONTROL": str(tmp_path / "control.sock"),
    }


def run(environ: dict[str, str], *options: str | Path) -> Result:
    return CliRunner(env=environ).invoke(chronotick, ["metrics", *map(str, options)])


def test_metrics_are_printed_with_and_without_a_daemon(
    environ: dict[str, str], tmp_path: Path, writer: RecordWriter
):
    done = run(environ)
    assert (done.exit_code, "\nchronotick_up 1.0\n" in done.stdout) == (0, True)
    done = run(environ, "--shm", tmp_path / "absent")
    assert (done.exit_code, "\nchronotick_up 0.0\n" in done.stdout) == (0, True)


def test_the_file_is_whole_readable_by_all_and_the_only_one(
    environ: dict[str, str], tmp_path: Path
):
    path = tmp_path / "texts" / "chronotick.prom"
    path.parent.mkdir()
    path.write_text("old")
    done = run(environ, "--textfile", path, "--once")
    assert (done.exit_code, done.output) == (0, "")
    assert path.read_text().endswith("\n")
    assert "\nchronotick_up 0.0\n" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_it_is_written_again_and_again_and_removed_at_the_end(
    environ: dict[str, str], tmp_path: Path
):
    path = tmp_path / "chronotick.prom"
    with running(environ, path) as process:
        first = identity(path, None)
        identity(path, first)
        process.terminate()
        assert process.communicate(timeout=30)[1] == b""
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_it_too(environ: dict[str, str], tmp_path: Path):
    path = tmp_path / "chronotick.prom"
    with running(environ, path) as process:
        identity(path, None)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not path.exists()


@contextlib.contextmanager
def running(environ: dict[str, str], path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "chronotick", "metrics", "--textfile", str(path)]
    command += ["--interval", "0.05"]
    # In the background of a shell SIGINT is ignored, and that is inherited.
    attentive = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command,
        env=environ,
        stderr=subprocess.PIPE,
        preexec_fn=attentive,  # noqa: PLW1509 - no threads run here
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def identity(path: Path, other: tuple[int, int] | None) -> tuple[int, int]:
    """Wait for a file that is another one than this, and say which it is."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            if (found.st_ino, found.st_mtime_ns) != other:
                return found.st_ino, found.st_mtime_ns
        time.sleep(0.01)
    pytest.fail(f"{path} was not written in time")


def test_a_file_that_cannot_be_written_is_one_sentence(environ: dict[str, str], tmp_path: Path):
    path = tmp_path / "absent" / "chronotick.prom"
    why = f"chronotick: {path}: cannot be written (No such file or directory)\n"
    done = run(environ, "--textfile", path, "--once")
    assert (done.exit_code, done.stderr) == (1, why)


def test_nor_does_writing_go_on_where_it_cannot_be_done(environ: dict[str, str], tmp_path: Path):
    path = tmp_path / "directory.prom"
    path.mkdir()
    with running(environ, path) as process:
        told = process.communicate(timeout=30)[1].decode()
    assert told == f"chronotick: {path}: cannot be written (Is a directory)\n"
    assert process.returncode == 1


def test_a_failure_leaves_nothing_behind(tmp_path: Path):
    (tmp_path / "directory.prom").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "directory.prom", b"text")
    assert [each.name for each in tmp_path.iterdir()] == ["directory.prom"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--once"], "name --textfile too"),
        (["--interval", "5"], "name --textfile too"),
        (["--textfile", "a.prom", "--once", "--interval", "5"], "leave out --interval"),
        (["--textfile", "a.txt", "--once"], "names end in .prom"),
        (["--textfile", "a.prom", "--interval", "0"], "--interval"),
        (["--textfile", "a.prom", "--interval", "nan"], "--interval"),
    ],
)
def test_what_makes_no_sense_is_refused(environ: dict[str, str], options: list[str], why: str):
    done = run(environ, *options)
    assert done.exit_code == 2
    assert why in done.stderr


def test_without_the_library_it_says_what_to_install(environ: dict[str, str]):
    program = (
        "import sys; sys.modules['prometheus_client'] = None; "
        "from chronotick.cli.main import main; sys.argv[1:] = ['metrics']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "chronotick: this needs more packages. Run: pip install 'chronotick[metrics]'\n"
    )
