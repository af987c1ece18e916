"""Other programs run to their end from a thread, which a request to stop ends early."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from chronotick.workers.errors import EnvironmentProblem

_POLL_S: Final = 0.1
_TERM_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended.

    Attributes:
        returncode: as of ``subprocess``.
        output: what it wrote to standard output.
        errors: what it wrote to standard error.
    """

    returncode: int
    output: str
    errors: str


def run_cancellable(
    command: Sequence[str],
    stage: str,
    cancelled: threading.Event,
    *,
    variables: Mapping[str, str] | None = None,
    inherits: tuple[int, ...] = (),
    look: Callable[[int], None] = lambda _errors: None,
    timeout_s: float = float("inf"),
) -> Ended:
    """Run a program and wait for it, in a thread that nothing else can interrupt.

    Args:
        command: program and arguments.
        stage: what this does, for people: ``"installing packages"``.
        cancelled: ends the program soon after it is set.
        variables: its environment; by default this process's own.
        inherits: descriptors that it holds too.
        look: called now and then with the descriptor of what it wrote to standard error.
        timeout_s: how long it may take.

    Raises:
        EnvironmentProblem: it was cancelled.
        TimeoutError: it took longer; the message says what it had written.
    """
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=variables,
            pass_fds=inherits,
        )
        end_s = time.monotonic() + timeout_s
        while process.returncode is None and not cancelled.is_set() and time.monotonic() < end_s:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_S)
            look(errors.fileno())
        running = process.returncode is None
        _end(process)
        output.seek(0)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
        if running and cancelled.is_set():
            hint = "It goes on at the next start."
            raise EnvironmentProblem("", f"{stage} was cancelled.", hint)
        if running:
            raise TimeoutError(f"{stage} took more than {timeout_s:g} s. {said}")
        return Ended(process.returncode, output.read().decode(errors="replace"), said)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            process.wait(_TERM_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
