"""Reading a daemon's debug trace (``chronotick run --debug-trace``)."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any, BinaryIO

from chronotick.daemon.publisher import ROUNDING_NS
from chronotick.daemon.trace import FORMAT, MAGIC, VERSION
from chronotick.lab.recordings.assembling import MAX_DISORDER_NS
from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.recordings.opening import STDIN
from chronotick.lab.recordings.recording import Arrival
from chronotick.lab.replaying.traced import (
    Began,
    Happening,
    NextPoll,
    Planned,
    Slept,
    TracedRecording,
    Unanswered,
)
from chronotick.ntp.measurement import Measurement, Stamps
from chronotick.shm.layout import Status

RESUMED = (
    "the daemon went on from a saved state, and so does the replay; but measurements from before "
    "are not in the contexts of its models"
)
LARGEST_NS = 2**62  # sums of two still fit what times are kept in
_GZIP_MAGIC = b"\x1f\x8b"
_STATUSES = {status.words: status for status in Status}
_INTEGERS = {name for name, kind in Measurement.__annotations__.items() if kind in {"int", int}}


def is_trace(path: str) -> bool:
    """Whether a file, packed or not, or standard input begins as a debug trace does."""
    try:
        if path == STDIN:
            stdin = sys.stdin.buffer
            return isinstance(stdin, io.BufferedReader) and stdin.peek().startswith(MAGIC)
        if not Path(path).is_file():
            return False
        with _opened(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, EOFError, zlib.error):  # whoever reads it next says why
        return False


def read_trace(path: str) -> TracedRecording:
    """Read a debug trace, also of a daemon that is still writing it or was killed.

    Args:
        path: of the file, packed with gzip or not; ``-`` is standard input.

    Raises:
        RecordingError: it cannot be read, is damaged, of another version or holds no measurement.
    """
    gathered = _Gathered(path)
    for number, line in _lines(path):
        if number == 1:
            gathered.open(_header(path, line))
        else:
            gathered.take(number, line)
    return gathered.recording()


def _header(path: str, line: dict[str, Any]) -> dict[str, Any]:
    if line.get("format") != FORMAT:
        raise RecordingError(path, "is no debug trace: its first line does not say so", 1)
    if line.get("version") != VERSION:
        problem = (
            f"is a trace of version {line.get('version')}, and this is a reader of version "
            f"{VERSION}. Replay it with the chronotick that wrote it"
        )
        by = line.get("chronotick")
        raise RecordingError(path, f"{problem} ({by})" if by else problem, 1)
    return line


def _lines(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbered lines; in place of one that was cut off at the end stands a line that says so."""
    try:
        with _opened(path) as file:
            for number, data in enumerate(file, 1):
                if not data.endswith(b"\n") and number > 1:
                    yield number, {"kind": "cut off"}
                else:
                    yield number, _decoded(path, number, data)
    except EOFError as error:
        raise RecordingError(path, "its gzip stream ends early: it was cut off") from error
    except zlib.error as error:
        raise RecordingError(path, f"its gzip stream is damaged ({error})") from error
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error.strerror or error}") from error


def _decoded(path: str, number: int, data: bytes) -> dict[str, Any]:
    try:
        line = json.loads(data)
    except (ValueError, RecursionError) as error:
        problem = f"is damaged: it is no JSON ({error}). Remove it, or what follows it"
        raise RecordingError(path, problem, number) from error
    if not isinstance(line, dict):
        raise RecordingError(path, "is damaged: it is no JSON object. Remove it", number)
    return line


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        if packed:
            with gzip.open(file) as unpacked:
                yield io.BufferedReader(unpacked)
        else:
            yield file


@dataclass
class _Gathered:
    """What was read so far."""

    path: str
    header: dict[str, Any] = field(default_factory=dict)
    began: Began | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    plans: dict[int, Planned] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    dropped: int = 0
    is_cut_off: bool = False

    def open(self, header: dict[str, Any]) -> None:
        """Take the first line."""
        self.header = self._in_line(1, lambda: _checked_header(header))

    def take(self, number: int, line: dict[str, Any]) -> None:
        """Take one of the others; what is not needed for a replay is passed over.

        Raises:
            RecordingError: it lacks something, or holds what is impossible.
        """
        takes = {
            "began": self._began,
            "exchange": self._exchange,
            "innovation": self._innovation,
            "slept": self._slept,
            "plan": self._plan,
            "weights": self._weights,
            "dropped": self._dropped,
            "cut off": self._cut_off,
        }.get(str(line.get("kind")))
        if takes is not None:
            self._in_line(number, lambda: takes(line))

    def recording(self) -> TracedRecording:
        """Everything.

        Raises:
            RecordingError: there is no measurement.
        """
        if not self.arrivals:
            raise RecordingError(self.path, f"holds no measurement: {self._why_none()}")
        if self.dropped:
            self.notes.append(f"{self.dropped} lines were dropped when it was written")
        return TracedRecording(
            path=self.path,
            format=f"debug trace of chronotick {self.header.get('chronotick')}",
            arrivals=tuple(self.arrivals),
            notes=tuple(self.notes),
            start_raw_ns=self.header["raw_ns"],
            suspended_ns=self.header["suspended_ns"],
            began=self.began,
            config=self.header["config"],
            happenings=tuple(sorted(self.happenings, key=_when)),
            plans=tuple(self.plans.values()),
        )

    def _why_none(self) -> str:
        asked = any(isinstance(each, Unanswered) for each in self.happenings)
        if asked and not self.is_cut_off:
            return "nothing answered the daemon"
        cut_off = "it was cut off" if self.is_cut_off else "it ends"
        return f"{cut_off} before the first; let the daemon run longer, or look for a whole copy"

    def _in_line(self, number: int, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - of any work
        try:
            return work()
        except KeyError as error:
            problem = f"is damaged: it has no {error.args[0]}. Remove it, or what follows it"
            raise RecordingError(self.path, problem, number) from error
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RecordingError(self.path, f"is damaged: {error}. Remove it", number) from error

    def _began(self, line: dict[str, Any]) -> None:
        saved, skill = line["timekeeper"], line["skill"]
        if not isinstance(skill, dict) or not (saved is None or isinstance(saved, dict)):
            raise TypeError("what the daemon went on from is no JSON object")
        believed = frozenset(map(str, line["believed"]))
        self.began = Began(believed=believed, timekeeper=saved, skill=skill)
        if saved is not None:
            self.notes.append(RESUMED)

    def _exchange(self, line: dict[str, Any]) -> None:
        taken_raw_ns = _integer(line, "taken_raw_ns")
        if "measurement" not in line:
            refused = bool(line["refused"])
            self.happenings.append(Unanswered(taken_raw_ns, _text(line, "source"), refused))
            return
        measurement = _measurement(line["measurement"])
        if self.arrivals and taken_raw_ns < self.arrivals[-1].raw_ns:
            raise ValueError("its taken_raw_ns lies before that of the exchange before it")
        if not 0 <= taken_raw_ns - measurement.raw_ns <= MAX_DISORDER_NS:
            raise ValueError("its taken_raw_ns is not soon after its raw_ns")
        self.arrivals.append(Arrival(taken_raw_ns, measurement))

    def _innovation(self, line: dict[str, Any]) -> None:
        if line["poll_s"] is not None:
            poll_s = _number(line, "poll_s")
            raw_ns, source = _integer(line, "raw_ns"), _text(line, "source")
            self.happenings.append(NextPoll(raw_ns, source, poll_s))

    def _slept(self, line: dict[str, Any]) -> None:
        suspended_ns = _integer(line, "suspended_ns")
        self.happenings.append(Slept(_integer(line, "at_raw_ns"), suspended_ns))

    def _plan(self, line: dict[str, Any]) -> None:
        if line["offset_ns"] is None:
            return
        raw_ns, offset_ns = _integer(line, "made_raw_ns"), _integer(line, "offset_ns")
        low_ns, high_ns = _integer(line, "low_ns"), _integer(line, "high_ns")
        self.plans[raw_ns] = Planned(
            raw_ns=raw_ns,
            offset_ns=offset_ns,
            sigma_ns=_integer(line, "sigma_ns"),
            bound_ns=max(high_ns - offset_ns, offset_ns - low_ns) + ROUNDING_NS,
            status=_status(_text(line, "status")),
            weights={},
        )

    def _weights(self, line: dict[str, Any]) -> None:
        planned = self.plans.get(_integer(line, "made_raw_ns"))
        if planned is not None:
            members = {_text(each, "model"): _number(each, "weight") for each in line["members"]}
            self.plans[planned.raw_ns] = replace(planned, weights=members)

    def _dropped(self, line: dict[str, Any]) -> None:
        self.dropped += _integer(line, "lines")

    def _cut_off(self, line: dict[str, Any]) -> None:
        del line
        self.is_cut_off = True
        self.notes.append("its last line was cut off: the daemon was killed, or is writing it")


def _checked_header(header: dict[str, Any]) -> dict[str, Any]:
    for name in ("raw_ns", "suspended_ns"):
        _integer(header, name)
    if not isinstance(header["config"], dict):
        raise TypeError("its config is no JSON object")
    return header


def _measurement(fields: dict[str, Any]) -> Measurement:
    unknown = sorted(fields.keys() - Measurement.__annotations__.keys())
    if unknown:
        raise ValueError(f"a measurement has no {unknown[0]}")
    for name in (each.name for each in dataclass_fields(Measurement) if each.default is MISSING):
        fields[name]  # what is missing is told by its name
    for name in fields.keys() & _INTEGERS:
        _integer(fields, name)
    _text(fields, "source")
    if min(fields["raw_ns"], fields["delay_ns"], fields["precision_ns"]) <= 0:
        raise ValueError("a time, a delay or a precision is not above zero")
    return Measurement(**fields | {"stamps": Stamps(fields["stamps"])})


def _status(name: str) -> Status:
    if name not in _STATUSES:
        raise ValueError(f"there is no status {name!r}")
    return _STATUSES[name]


def _when(happening: Happening) -> int:
    return happening.raw_ns


def _integer(line: dict[str, Any], name: str) -> int:
    value = line[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"its {name} is no whole number")
    if abs(value) >= LARGEST_NS:
        raise ValueError(f"its {name} is too large")
    return value


def _number(line: dict[str, Any], name: str) -> float:
    value = line[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"its {name} is no number")
    if not abs(value) < LARGEST_NS:  # NaN is not, either
        raise ValueError(f"its {name} is too large, or not finite")
    return float(value)


def _text(line: dict[str, Any], name: str) -> str:
    value = line[name]
    if not isinstance(value, str):
        raise TypeError(f"its {name} is no text")
    return value
