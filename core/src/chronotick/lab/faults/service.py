"""Keeping a daemon running, as systemd does with ``deploy/systemd/chronotick.service``."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from chronotick.lab.faults.procfs import Process, descendants, survivors
from chronotick.lab.faults.publications import Publications
from chronotick.shm.clocks import raw_ns

RESTART_S: Final = 1.0
"""``RestartSec``"""
WATCHDOG_S: Final = 30.0
"""``WatchdogSec``"""
STOP_S: Final = 20.0
"""``TimeoutStopSec``"""
BAD_CONFIGURATION: Final = 2
"""``RestartPreventExitStatus``"""
ORPHANED_S: Final = 2.0
"""Whoever lives longer than its daemon by this much is an orphan."""

Say = Callable[[str], None]


class Service:
    """A daemon that is started again when it fails.

    Args:
        command: its command line.
        environ: its environment.
        directory: where its log and the socket it reports to go.
        publications: of the daemon.
        say: told what happens.
        restart_s: how long after a failure it is started again.

    Attributes:
        silences: when nothing was published because no daemon ran or it was stopped, as (from, to)
            of CLOCK_MONOTONIC_RAW (ns): from when that was noticed until nothing new was seen last.
        exits: how daemons ended, by return code.
        orphans: descendants found alive after their daemon's end.
        starts: how often it was started.
        failed_in_a_row: how many daemons ended by themselves without having reported to be ready.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        directory: Path,
        publications: Publications,
        say: Say,
        *,
        restart_s: float = RESTART_S,
    ) -> None:
        self.silences: list[tuple[int, int]] = []
        self.exits: dict[int, int] = {}
        self.orphans: list[Process] = []
        self.starts = self.failed_in_a_row = 0
        self._command, self._directory, self._say = list(command), directory, say
        self._restart_s = restart_s
        self._notices = _notice_socket(directory / "notify")
        self._environ = {
            **environ,
            "NOTIFY_SOCKET": str(directory / "notify"),
            "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6)),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._descendants: set[Process] = set()
        self._families: list[tuple[float, set[Process]]] = []
        self._start_at_s: float | None = None
        self._alive_at_s = 0.0
        self._publications = publications
        self._silent_since_ns: int | None = raw_ns()
        self._silent_until_ns = self._silent_since_ns
        self._frozen = False

    @property
    def pid(self) -> int | None:
        """Of the daemon, ``None`` while none runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the daemon; nothing if it runs."""
        if self._process is not None:
            return
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.starts += 1
        self._start_at_s, self._alive_at_s = None, time.monotonic()

    def signal(self, number: signal.Signals) -> None:
        """Send the daemon a signal; nothing while none runs."""
        if self._process is None:
            return
        self.note_descendants()
        self._process.send_signal(number)
        if number == signal.SIGSTOP:
            self._falls_silent()
            self._frozen = True
        elif number == signal.SIGCONT:
            self._frozen, self._alive_at_s = False, time.monotonic()

    def stop(self) -> int | None:
        """End the daemon in good order; returns its return code."""
        if self._process is None:
            return None
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # as systemd does: one that was stopped would not hear it
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._say(f"daemon {self.pid} did not end within {STOP_S:g} s of SIGTERM: killed")
            self._process.kill()
            code = self._process.wait()
        self._note_end(code)
        self._start_at_s = None
        return code

    def look(self) -> None:
        """Do what is due: to be called several times a second."""
        self._take_notices()
        self._look_for_publications()
        process, now_s = self._process, time.monotonic()
        if process is not None and (code := process.poll()) is not None:
            self._note_end(code)
            again = code not in {0, BAD_CONFIGURATION}
            self._start_at_s = now_s + self._restart_s if again else None
        elif process is not None and not self._frozen and now_s - self._alive_at_s > WATCHDOG_S:
            self._say(f"watchdog: daemon {process.pid} gave no sign for {WATCHDOG_S:g} s")
            self._alive_at_s = now_s
            self.signal(signal.SIGABRT)
        if self._start_at_s is not None and now_s >= self._start_at_s:
            self.start()
        self._look_for_orphans()

    def note_descendants(self) -> None:
        """Take down which processes belong to the daemon."""
        if self._process is not None:
            self._descendants |= descendants(self._process.pid)
            self._descendants = set(survivors(self._descendants))

    def close(self) -> list[Process]:
        """End the daemon and return what is left of all its processes, which is ended as well."""
        self.note_descendants()
        left = set(self._descendants)
        self._end_silence()
        self.stop()
        time.sleep(ORPHANED_S)
        left |= {each for _, family in self._families for each in family}
        orphans = survivors(left)
        for each in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
        self._notices.close()
        self._publications.close()
        return orphans

    def _note_end(self, code: int) -> None:
        self.exits[code] = self.exits.get(code, 0) + 1
        self.failed_in_a_row += code > 0
        self._falls_silent()
        self._families.append((time.monotonic() + ORPHANED_S, self._descendants))
        self._process, self._descendants, self._frozen = None, set(), False

    def _look_for_orphans(self) -> None:
        now_s = time.monotonic()
        due = [family for at_s, family in self._families if at_s <= now_s]
        self._families = [each for each in self._families if each[0] > now_s]
        for family in due:
            for each in survivors(family):
                self._say(f"ORPHAN: process {each.pid} outlived its daemon")
                self.orphans.append(each)

    def _take_notices(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._take(self._notices.recv(4096))

    def _take(self, notice: bytes) -> None:
        if b"READY=1" in notice:
            self.failed_in_a_row = 0
        if b"WATCHDOG=1" in notice:
            self._alive_at_s = time.monotonic()

    def _falls_silent(self) -> None:
        if self._silent_since_ns is None:
            self._silent_since_ns = self._silent_until_ns = raw_ns()

    def _look_for_publications(self) -> None:
        """A silence lasts until the next process publishes: its start says nothing yet."""
        now_ns = raw_ns()
        self._publications.look()
        if self._silent_since_ns is None:
            return
        if self._publications.any_since(self._silent_since_ns):
            self._end_silence()
        else:
            self._silent_until_ns = now_ns

    def _end_silence(self) -> None:
        if self._silent_since_ns is not None:
            self.silences.append((self._silent_since_ns, self._silent_until_ns))
            self._silent_since_ns = None


def _notice_socket(path: Path) -> socket.socket:
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(str(path))
    notices.setblocking(False)  # noqa: FBT003 - the socket module's own
    return notices
