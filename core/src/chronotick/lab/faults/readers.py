"""The readers: processes that are started again when they are killed, and what they tell."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from chronotick.lab.faults.observations import Order, Report, Violation
from chronotick.shm.clocks import raw_ns

_ENDING_S: Final = 10.0


class Reader:
    """A reader of the record in a process of its own.

    Args:
        name: for reports.
        command: its command line; what it writes is described in
            `chronotick.lab.faults.observations`.
        environ: its environment.
        output: file for what it writes.
    """

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], output: Path
    ) -> None:
        self.report = Report(name)
        self.ends: dict[int, int] = {}
        self._command, self._environ, self._output = list(command), dict(environ), output
        self._position, self._rest = 0, ""
        self._process = self._started()

    def look(self) -> list[tuple[int, int, int]]:
        """Read what it wrote, start it again if it ended; returns samples of served time."""
        code = self._process.poll()  # before reading: what it wrote last is not to be lost
        samples = self._heard()
        if code is not None:
            self.ends[code] = self.ends.get(code, 0) + 1
            self._rest = ""
            self._hang_up()
            self.report.restarted()
            self._process = self._started()
        return samples

    def close(self) -> list[tuple[int, int, int]]:
        """End it, and read what it wrote last."""
        self._hang_up()
        try:
            self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return self._heard()

    def _hang_up(self) -> None:
        """A reader ends when its input does."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._output.open("ab") as output:
            return subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=output,
            )

    def _heard(self) -> list[tuple[int, int, int]]:
        with self._output.open("rb") as file:
            file.seek(self._position)
            text = self._rest + file.read().decode()
            self._position = file.tell()
        *lines, self._rest = text.split("\n")
        told = [self.report.take(line) for line in lines if line]
        return [sample for sample in told if sample is not None]


class Readers:
    """All readers.

    Args:
        readers: they are closed by :meth:`close`.
        say: told of violations as they come.
    """

    def __init__(self, readers: Sequence[Reader], say: Callable[[str], None]) -> None:
        self.all, self.order = list(readers), Order()
        self._say, self._told = say, set[Violation]()

    @property
    def violations(self) -> list[Violation]:
        """All that must not be, so far."""
        found = [each for reader in self.all for each in reader.report.violations]
        return found + self.order.violations

    def look(self) -> None:
        """Take in what readers told; to be called about once a second."""
        for reader in self.all:
            self.order.take(reader.report.name, reader.look())
        self.order.look(raw_ns())
        for violation in self.violations:
            if violation not in self._told:
                self._told.add(violation)
                self._say(f"VIOLATION of {violation.reader}: {violation.detail}")

    def close(self) -> None:
        """End all readers."""
        for reader in self.all:
            self.order.take(reader.report.name, reader.close())
        self.order.look(2**63)
