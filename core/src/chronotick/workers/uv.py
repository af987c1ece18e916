"""Every call of uv. No other module knows that it exists, or how it is told things."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chronotick.workers.cancellable import run_cancellable
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.uvfailure import UvFailed

__all__ = ["OnDownload", "Progress", "Uv", "UvFailed", "find_uv", "uv_variables"]

Progress = Callable[[str, str], None]
"""Told of a stage (one word) and what is done there, in words."""

OnDownload = Callable[[str, int], None]
"""Told the name and size in bytes of a package that uv starts to download."""

# The daemon's own Python, and what would make uv install or lock something else than the recipe.
_DROPPED: Final = re.compile(
    r"^(PYTHON|CONDA_|VIRTUAL_ENV$|LD_PRELOAD$"
    r"|UV_(CONSTRAINT|OVERRIDE|EXCLUDE|RESOLUTION|PRERELEASE|COMPILE_BYTECODE)$)"
)
_DOWNLOADING: Final = re.compile(r"^Downloading (\S+) \(([\d.]+)([KMG]?i?B)\)", re.MULTILINE)
_UNITS: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_LOCKED_PLATFORM: Final = "x86_64-manylinux_2_28"
_COMPLAINT: Final = re.compile(r"^(The package `.*` requires `([A-Za-z0-9._-]+).*)$", re.MULTILINE)


class _Announced:
    """The downloads that uv announces on standard error, read while it still writes."""

    def __init__(self, tell: OnDownload) -> None:
        self._tell, self._offset = tell, 0

    def read(self, descriptor: int) -> None:
        """Tell of those in the lines written since the last time."""
        size = os.fstat(descriptor).st_size
        lines = os.pread(descriptor, size - self._offset, self._offset).rpartition(b"\n")[0]
        self._offset += len(lines)
        for name, number, unit in _DOWNLOADING.findall(lines.decode(errors="replace")):
            self._tell(name, round(float(number) * _UNITS[unit]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """uv, ready to be run.

    Attributes:
        program: path of the executable.
        offline: never use the network.
        cancelled: when set, a running uv is ended.
        inherits: descriptors a running uv holds too: when we are killed and it goes on writing,
            the lock on what it writes to stays until it ends.
    """

    program: Path
    offline: bool = False
    inherits: tuple[int, ...] = ()
    cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self, stage: str, *arguments: str, on_download: OnDownload | None = None) -> str:
        """Run uv to its end; returns its standard output.

        Args:
            stage: what this does, for people: ``"installing packages"``.
            arguments: of the command line.
            on_download: told of each download above 1 MiB; uv does not announce smaller ones.

        Raises:
            UvFailed: it ended with an error.
            EnvironmentProblem: it was cancelled.
        """
        announced = _Announced(on_download or (lambda _name, _size: None))
        ended = run_cancellable(
            [str(self.program), *arguments],
            stage,
            self.cancelled,
            variables=uv_variables(os.environ, offline=self.offline),
            inherits=self.inherits,
            look=announced.read,
        )
        if ended.returncode != 0:
            raise UvFailed(stage, ended.errors)
        return ended.output

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

    def install_locked(self, interpreter: Path, lock: Path, on_download: OnDownload) -> None:
        """Install exactly what a lock names, each file verified by its hash."""
        self.run(
            "installing packages",
            *_install(interpreter),
            *("--no-deps", "--require-hashes", "-r", str(lock)),
            on_download=on_download,
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

    def install(
        self,
        interpreter: Path,
        requirement: str,
        on_download: OnDownload,
        backend: str | None = None,
    ) -> None:
        """Install one requirement with all it needs, from the index or the cache."""
        choice = ["--torch-backend", backend] if backend else []
        self.run(
            f"installing {requirement}",
            *_install(interpreter),
            *choice,
            requirement,
            on_download=on_download,
        )

    def check(self, interpreter: Path, waived: Collection[str] = ()) -> None:
        """Check that installed packages have all they need (``uv pip check``).

        Args:
            interpreter: of the environment.
            waived: packages that may be absent or of another version than others require.

        Raises:
            UvFailed: some other package is absent or of a wrong version.
        """
        try:
            self.run("checking packages", "pip", "check", "--python", str(interpreter))
        except UvFailed as failure:
            complaints = _COMPLAINT.findall(failure.output)
            if not complaints:  # uv failed for another reason
                raise
            left = [line for line, name in complaints if canonicalize_name(name) not in waived]
            if left:
                raise UvFailed(failure.stage, "\n".join(left)) from failure

    def find_python(self, versions: str, *, download: bool = True) -> Path:
        """Return an interpreter in a version range.

        Args:
            versions: PEP 440, e.g. ``">=3.11,<3.14"``.
            download: whether one is installed where there is none.

        Raises:
            UvFailed: neither found nor downloaded.
        """
        arguments = ("python", "find", "--no-project", "--system", versions)
        try:
            return Path(self.run("looking for Python", *arguments).strip())
        except UvFailed:
            if not download:
                raise
        self.run(f"installing Python {versions}", "python", "install", versions)
        return Path(self.run("looking for Python", *arguments).strip())

    def lock(
        self,
        requirements: Path,
        lock: Path,
        *,
        python: str,
        outside: Sequence[str] = (),
        overrides: Path | None = None,
        excludes: Path | None = None,
        upgrade: bool = False,
        backend: str | None = None,
    ) -> None:
        """Resolve requirements into a hashed lock that names no index (``uv pip compile``).

        The result does not depend on the machine: it is for Linux on x86-64, and holds the hashes
        of all platforms' files.

        Args:
            requirements: the ``.in`` file.
            lock: the file to write; versions it holds already are kept where that is possible.
            python: version to resolve for, e.g. ``"3.11"``.
            outside: requirements that constrain the resolution but stay out of the lock, because
                they are installed before it (torch).
            overrides: file of requirements that replace what packages say.
            excludes: file of names that are left out.
            upgrade: take the newest versions instead.
            backend: build of torch to take its requirements from, e.g. ``"cpu"``.

        Raises:
            UvFailed: there is no solution, or no index.
        """
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write("\n".join(outside) + "\n")
            constraints.flush()
            self.run(
                f"locking {requirements.name}",
                *("pip", "compile", str(requirements), "--output-file", str(lock)),
                *("--constraints", constraints.name, "--python-version", python),
                *("--python-platform", _LOCKED_PLATFORM, "--generate-hashes"),
                *("--no-header", "--no-annotate"),
                *_given("--overrides", overrides),
                *_given("--excludes", excludes),
                *_given("--torch-backend", backend),
                *(["--upgrade"] if upgrade else []),
                *(part for name in outside for part in ("--no-emit-package", _name(name))),
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
    return ("pip", "install", "--python", str(interpreter))


def _given(option: str, value: object) -> tuple[str, ...]:
    return () if value is None else (option, str(value))


def _name(requirement: str) -> str:
    return Requirement(requirement).name
