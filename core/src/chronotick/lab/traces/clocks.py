"""Clocks: recorded offsets, of which the truth may be known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from chronotick.lab.counting import often
from chronotick.lab.recordings import Recording, RecordingError, read_recording
from chronotick.lab.recordings.past import boots
from chronotick.lab.traces.digest import digest_of_clock
from chronotick.lab.traces.draft import Draft, problem_of
from chronotick.lab.traces.trace import Trace, Vector, nothing
from chronotick.lab.traces.wanted import Wanted

NS_PER_S = 1_000_000_000
FEWEST = 32  # values that a comparison can begin with
FEW = 8  # measurements of a source from which its interval is known
BOOT_SHOWN = 8  # digits of a boot's identifier, as journalctl shows enough of them


def clock(name: str, recording: Recording, truth: tuple[Vector, Vector] | None = None) -> Trace:
    """Return the trace of a recording.

    Args:
        name: of the trace.
        recording: its measurements.
        truth: times and offsets, s.

    Raises:
        RecordingError: it holds too little.
    """
    offsets = {arrival.measurement.offset_ns for arrival in recording.arrivals}
    count = len(recording.arrivals)
    if count < FEWEST:
        problem = f"holds {often(count, 'measurement')}, a comparison needs {FEWEST} at least"
        raise RecordingError(recording.path, problem)
    if len(offsets) == 1:
        raise RecordingError(
            recording.path, f"all {count} offsets are the same: nothing to compare"
        )
    cadence_s = _cadence_s(recording)
    if not cadence_s:
        raise RecordingError(recording.path, "all measurements are of one instant")
    truth_time_s, truth_s = truth or (nothing(), nothing())
    return Trace(
        name=name,
        host="",
        path=recording.path,
        digest=digest_of_clock(recording, (truth_time_s, truth_s)),
        kind="clock",
        unit="s",
        cadence_s=cadence_s,
        recording=recording,
        truth_time_s=truth_time_s,
        truth_s=truth_s,
        notes=recording.notes,
    )


def histories(path: str, name: str, wanted: Wanted) -> Iterator[Draft]:
    """Yield a daemon's history: each boot has a clock of its own.

    Raises:
        RecordingError: it is none, or holds nothing.
    """
    known = tuple(dict.fromkeys(boots(path)))  # a damaged one repeats them
    if not known:
        raise RecordingError(path, "holds no measurements")
    shown = _shown(known)
    for boot in known:
        suffix = f"@{shown[boot]}" if len(known) > 1 else ""
        try:
            recording = read_recording(path, boot=boot, max_error_s=wanted.max_error_s)
            yield Draft(clock(name, _near_utc(recording)), suffix)
        except RecordingError as error:
            yield Draft(problem_of(error, name), suffix)


def _near_utc(recording: Recording) -> Recording:
    """The same with local times near UTC, whole seconds away from those since the boot.

    Offsets since the boot are decades: as numbers of seconds they would lose their nanoseconds.
    """
    whole_s = round(recording.arrivals[0].measurement.offset_ns / NS_PER_S)
    return replace(recording, shift_ns=-whole_s * NS_PER_S)


def _shown(known: tuple[str, ...]) -> Mapping[str, str]:
    """As much of identifiers as tells them apart."""
    length = BOOT_SHOWN
    while len({boot[:length] for boot in known}) < len(known):
        length += 1
    return {boot: boot[:length] for boot in known}


def _cadence_s(recording: Recording) -> float:
    """Median time between the measurements of the source that is asked most often."""
    times: dict[str, list[int]] = {}
    for arrival in recording.arrivals:
        times.setdefault(arrival.measurement.source, []).append(arrival.measurement.raw_ns)
    enough = [each for each in times.values() if len(each) >= FEW]
    # Of many sources, each asked a few times, all together are the best that is known.
    return min(map(_median_s, enough or [[*chain.from_iterable(times.values())]]))


def _median_s(times_ns: list[int]) -> float:
    steps_ns = np.diff(np.unique(np.array(times_ns)))  # chrony's log has whole seconds
    return float(np.median(steps_ns)) / NS_PER_S if steps_ns.size else 0.0
