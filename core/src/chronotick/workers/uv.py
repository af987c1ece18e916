"""Every call of uv. No other module knows that it exists, or how it is told things."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chronotick.workers.errors import EnvironmentProblem

Progress = Callable[[str, str], None]
"""Told of a stage (one word) and what is done there, in words."""

_POLL_S = 0.1
_DROPPED: Final = re.compile(r"^(PYTHON|CONDA_|VIRTUAL_ENV$|LD_PRELOAD$)")

_SYNC: Final = "give a directory of wheels: chronotick envs sync NAME --find-links DIR"
_EXPLANATIONS: Final = (
    (
        r"No space left on device|os error 28",
        "the disk is full.",
        "Free space, or set workers.environments to a directory on another disk.",
    ),
    (
        r"[Nn]o interpreter found|No download found for request|No Python",
        "the Python version it needs is not installed, and uv could not download it.",
        "Run: uv python install VERSION",
    ),
    (
        r"network was disabled|network connectivity is disabled|offline mode|--offline",
        "uv is offline, and neither its cache nor UV_FIND_LINKS holds everything.",
        f"Build it once with a network, or {_SYNC}",
    ),
    (
        r"dns error|error sending request|[Cc]onnection refused|timed out|Failed to fetch",
        "uv could not reach a package index.",
        f"Check the network, name a mirror in UV_DEFAULT_INDEX, or {_SYNC}",
    ),
    (
        r"[Hh]ash mismatch",
        "a package is not the one that was locked.",
        "Its index or mirror serves altered files: tell whoever runs it. Nothing was installed.",
    ),
)


class UvFailed(Exception):  # noqa: N818 - says what happened
    """Raised when uv ended with an error.

    Attributes:
        stage: what was being done.
        output: what uv printed.
    """

    def __init__(self, stage: str, output: str) -> None:
        self.stage = stage
        self.output = output
        super().__init__(f"uv failed while {stage}: {output}")

    def explain(self, recipe: str, name: str) -> EnvironmentProblem:
        """Say whose fault it is and what to run.

        Args:
            recipe: of the environment that was being built.
            name: of the model it is for, as commands take it.
        """
        known = (advice for pattern, *advice in _EXPLANATIONS if re.search(pattern, self.output))
        problem, hint = next(known, ("uv gave up.", "Run: chronotick envs sync NAME"))
        last = self.output.strip()[-800:]
        return EnvironmentProblem(
            recipe,
            f"{self.stage} failed: {problem}",
            f"{hint.replace('NAME', name)}\nuv said: {last}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """uv, ready to be run.

    Attributes:
        program: path of the executable.
        offline: never use the network.
        cancelled: when set, a running uv is ended.
    """

    program: Path
    offline: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self, stage: str, *arguments: str, extra: Mapping[str, str] | None = None) -> str:
        """Run uv to its end; returns its standard output.

        Args:
            stage: what this does, for people: ``"installing packages"``.
            arguments: of the command line.
            extra: environment variables on top of the usual ones.

        Raises:
            UvFailed: it ended with an error.
            EnvironmentProblem: it was cancelled.
        """
        variables = uv_variables(os.environ, offline=self.offline) | dict(extra or {})
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [str(self.program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=variables,
            )
            returncode = self._wait(process, stage)
            output.seek(0)
            errors.seek(0)
            if returncode != 0:
                raise UvFailed(stage, errors.read().decode(errors="replace"))
            return output.read().decode(errors="replace")

    def _wait(self, process: subprocess.Popen[bytes], stage: str) -> int:
        while not self.cancelled.is_set():
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_POLL_S)
        process.terminate()
        process.wait()
        raise EnvironmentProblem("", f"{stage} was cancelled.", "It goes on at the next start.")

    def make_environment(self, directory: Path, python: str) -> None:
        """Make an empty virtual environment (``uv venv``)."""
        self.run(
            "making the environment",
            "venv",
            "--no-project",
            "--python",
            python,
            str(directory),
        )

    def install_locked(self, interpreter: Path, lock: Path) -> None:
        """Install exactly what a lock names, each file verified by its hash."""
        self.run(
            "installing packages",
            *_install(interpreter),
            "--no-deps",
            "--require-hashes",
            "-r",
            str(lock),
        )

    def install_local(self, interpreter: Path, requirement: str) -> None:
        """Install one requirement from UV_FIND_LINKS alone; its own needs are in the lock."""
        self.run(
            f"installing {requirement} from UV_FIND_LINKS",
            *_install(interpreter),
            "--no-deps",
            "--no-index",
            requirement,
        )

    def install(self, interpreter: Path, requirement: str, backend: str | None = None) -> None:
        """Install one requirement with all it needs, from the index or the cache."""
        choice = ["--torch-backend", backend] if backend else []
        self.run(f"installing {requirement}", *_install(interpreter), *choice, requirement)

    def check(self, interpreter: Path) -> None:
        """Check that installed packages have all they need (``uv pip check``)."""
        self.run("checking packages", "pip", "check", "--python", str(interpreter))

    def find_python(self, versions: str) -> Path:
        """Return an interpreter in a version range, downloading one if there is none.

        Raises:
            UvFailed: neither found nor downloaded.
        """
        arguments = ("python", "find", "--no-project", "--system", versions)
        with suppress(UvFailed):
            return Path(self.run("looking for Python", *arguments).strip())
        self.run(f"installing Python {versions}", "python", "install", versions)
        return Path(self.run("looking for Python", *arguments).strip())

    def lock(
        self, requirements: Path, lock: Path, *, python: str, outside: tuple[str, ...]
    ) -> None:
        """Resolve requirements into a hashed lock that names no index (``uv pip compile``).

        Args:
            requirements: the ``.in`` file.
            lock: the file to write.
            python: version to resolve for, e.g. ``"3.11"``.
            outside: requirements that constrain the resolution but stay out of the lock, because
                they are installed before it (torch).
        """
        leave_out = [
            part
            for requirement in outside
            for part in ("--no-emit-package", re.split(r"[<>=!~\[; ]", requirement)[0])
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write("\n".join(outside) + "\n")
            constraints.flush()
            self.run(
                f"locking {requirements.name}",
                *("pip", "compile", str(requirements), "--output-file", str(lock)),
                *("--constraints", constraints.name, "--python-version", python),
                "--generate-hashes",
                "--no-header",
                "--no-annotate",
                *leave_out,
            )


def find_uv() -> Path:
    """Return the uv executable: of the Python package ``uv``, else on PATH.

    Raises:
        EnvironmentProblem: there is none.
    """
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        on_path = shutil.which("uv")
    if on_path is None:
        raise EnvironmentProblem(
            "", "uv, which builds model environments, is missing.", "Run: pip install uv"
        )
    return Path(on_path)


def uv_variables(environ: Mapping[str, str], *, offline: bool) -> dict[str, str]:
    """Environment variables for uv.

    uv does not read pip's settings. Machines that provide a CPU build of torch say so in
    PIP_FIND_LINKS; without it uv would take gigabytes of CUDA libraries from the index.
    """
    variables = {name: value for name, value in environ.items() if not _DROPPED.match(name)}
    links = environ.get("PIP_FIND_LINKS")
    if links and "UV_FIND_LINKS" not in variables:
        variables["UV_FIND_LINKS"] = ",".join(links.split())  # pip splits at spaces, uv at commas
    if offline:
        variables["UV_OFFLINE"] = "1"
    variables["UV_NO_PROGRESS"] = "1"
    return variables


def _install(interpreter: Path) -> tuple[str, ...]:
    return ("pip", "install", "--python", str(interpreter), "--compile-bytecode")
