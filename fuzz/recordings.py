"""Recordings of other programs: chrony's and ntpd's logs, tables of offsets, packed or not.

The first byte chooses the reader: one recording, a debug trace, or series of any kind; and for
these the name of the file.
"""

from __future__ import annotations

import math

from chronotick.lab.recordings import RecordingError, read_recording
from chronotick.lab.replaying.trace_reading import is_trace, read_trace
from chronotick.lab.traces import read_traces
from fuzz.oracle import require
from fuzz.places import written

_NAMES = ("a.csv", "a.jsonl", "a.txt", "measurements.log")


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Read a file.

    Raises:
        Finding: what is read is out of order, or holds no numbers.
    """
    how, content = (data[0] if data else 0), data[1:]
    if how & 1:
        _read_series(str(written(_NAMES[how >> 1 & 3], content)))
    else:
        _read_one(str(written("recording", content)), traced=bool(how & 2))


def _read_one(path: str, *, traced: bool) -> None:
    try:
        if traced:
            is_trace(path)
        recording = read_trace(path) if traced else read_recording(path)
    except RecordingError as error:
        require(error.problem and path in str(error), "a problem has words, and a place")
        return
    arrivals = [arrival.raw_ns for arrival in recording.arrivals]
    require(arrivals, "a recording holds measurements")
    require(arrivals == sorted(arrivals), "measurements arrive in order")
    for arrival in recording.arrivals:
        require(arrival.measurement.delay_ns >= 0, "no delay is negative")
        require(arrival.measurement.root_distance_ns >= 0, "no error bound is negative")


def _read_series(path: str) -> None:
    found = read_traces([path])
    require(found.traces or found.problems, "a file is a trace, or a problem")
    for trace in found.traces:
        times = trace.time_s.tolist()
        require(times == sorted(times) and all(map(math.isfinite, times)), "times are in order")
    for problem in found.problems:
        require(str(problem), "a problem has words")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    return {**_logs(), **_series(), "trace": b"\2" + _trace(), "cut": b"\2" + _trace()[:-40]}


def _logs() -> dict[str, bytes]:
    chrony = (
        b"2025-10-14 12:00:0%d 192.0.2.1       N  2 111 111 1111   6  6 0.00 -1.234e-05  1.0e-03"
        b"  2.0e-06  1.0e-03  1.0e-04 C0000201 4B K K\n"
    )
    peer = b"60962 4320%d.123 192.0.2.1 9614 -0.000012 0.001234 0.000100 0.000010\n"
    raw = (
        b"60962 4320%d.123 192.0.2.1 192.0.2.9 3969345600.100 3969345600.101 3969345600.102"
        b" 3969345600.105 0 4 4 2 6 -23 0.001 0.002 GPS\n"
    )
    return {
        "chrony": b"\0" + chrony % 1 + chrony % 5,
        "peerstats": b"\0" + peer % 1 + peer % 5,
        "rawstats": b"\0" + raw % 1 + raw % 5,
        "table": b"\0t_local_s,offset_s,delay_s\n" + b"1e9,1e-6,0.001\n1000000016,2e-6,.001\n",
        "packed": b"\0\x1f\x8b\x08\0\0\0\0\0\0\3",
        "database": b"\0SQLite format 3\0" + bytes(84),
    }


def _series() -> dict[str, bytes]:
    frame = b"unique_id,ds,y\n" + b"".join(
        b"a,2025-10-14T12:00:%02d,%d\n" % (n, n) for n in range(9)
    )
    record = b'{"id": "x", "start": "2025-10-14", "freq": "5min", "target": [1, 2.5, null, 4]}\n'
    times = b'{"id": "x", "timestamp": [1, 2, 3], "target": [1e400, NaN, "4"], "unit": "ppm"}\n'
    return {"frame": b"\1" + frame, "record": b"\3" + record, "times": b"\3" + times}


def _trace() -> bytes:
    from chronotick.daemon.trace import FORMAT, VERSION

    head = (
        b'{"format":"%s","version":%d,"chronotick":"1","raw_ns":1000,"suspended_ns":0,'
        b'"config":{}}\n'
    )
    began = b'{"kind":"began","believed":["a"],"timekeeper":null,"skill":{}}\n'
    exchange = (
        b'{"kind":"exchange","taken_raw_ns":2000,"measurement":{"source":"a","raw_ns":1990,'
        b'"offset_ns":5,"delay_ns":10,"precision_ns":1,"root_delay_ns":0,"root_dispersion_ns":0,'
        b'"stratum":1,"leap":0,"reference_id":1,"stamps":"user"}}\n'
    )
    plan = (
        b'{"kind":"plan","made_raw_ns":2001,"offset_ns":5,"low_ns":1,"high_ns":9,"sigma_ns":2,'
        b'"status":"synchronised"}\n{"kind":"weights","made_raw_ns":2001,"members":[]}\n'
    )
    return head % (FORMAT.encode(), VERSION) + began + exchange + plan
