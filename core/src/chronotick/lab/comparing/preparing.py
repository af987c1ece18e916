"""From a trace to windows: the daemon's estimator runs over it once, for all models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chronotick.config.schema import Clock, Config
from chronotick.lab.comparing.clockwise import clockwise, gauge
from chronotick.lab.comparing.grids import (
    NS_PER_S,
    NS_PER_US,
    Grid,
    Origins,
    TooManyOriginsError,
    grids,
)
from chronotick.lab.comparing.judging import Judge, last_value, naive_scale
from chronotick.lab.comparing.observing import Expected, Learnt, Observer
from chronotick.lab.comparing.provenance import own_code
from chronotick.lab.comparing.windows import ARRAYS, Draft, WindowWriter, read_index, write_index
from chronotick.lab.recordings.recording import Recording
from chronotick.lab.traces import Trace
from chronotick.models.forecast import expected_beyond

HOLE = 5.0  # usual distances of known values: farther apart, nothing is known between two
FORMAT = 2  # of what is prepared: another one is made anew

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How windows are made of traces.

    Attributes:
        horizons_s: at which forecasts are judged.
        context: samples in a context.
        origins: from which instants.
        clock: assumptions of the estimator.
    """

    horizons_s: tuple[float, ...]
    context: int = 512
    origins: Origins = field(default_factory=Origins)
    clock: Clock = field(default_factory=Clock)

    def grids(self, trace: Trace) -> tuple[Grid, ...]:
        """The grids of a trace."""
        return grids(trace.cadence_s, self.horizons_s, self.context)

    def key(self, trace: Trace, grid: Grid) -> str:
        """Name of the windows of a trace and grid: the same for the same content only."""
        told = {
            "format": FORMAT,
            "code": own_code(),
            "trace": trace.digest,
            "grid": asdict(grid),
            "origins": asdict(self.origins),
            "clock": self.clock.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


class NoWindowsError(Exception):
    """Raised when a trace has no window; the message says why."""


def prepare(trace: Trace, preparation: Preparation, root: Path) -> dict[str, int]:
    """Make the windows of a trace, unless they are there.

    Args:
        trace: it.
        preparation: how.
        root: directory of all windows.

    Returns:
        The number of windows by key, one for each grid.

    Raises:
        NoWindowsError: none can be made.
        RecordingError: the trace cannot be a clock.
    """
    known = prepared(trace, preparation, root)
    wanted = {preparation.key(trace, grid): grid for grid in preparation.grids(trace)}
    missing = {key: grid for key, grid in wanted.items() if key not in known}
    return known | (_made(trace, preparation, missing, root) if missing else {})


def prepared(trace: Trace, preparation: Preparation, root: Path) -> dict[str, int]:
    """The number of windows, by key, that are there already."""
    keys = (preparation.key(trace, grid) for grid in preparation.grids(trace))
    indexes = {key: read_index(root / key) for key in keys}
    return {key: int(index["windows"]) for key, index in indexes.items() if index}


def is_prepared(trace: Trace, preparation: Preparation, root: Path) -> bool:
    """Whether there is nothing to be made of a trace."""
    return len(prepared(trace, preparation, root)) == len(preparation.grids(trace))


def _made(
    trace: Trace, preparation: Preparation, wanted: dict[str, Grid], root: Path
) -> dict[str, int]:
    recording = clockwise(trace)
    origins_ns = _origins(trace, recording, preparation)
    observer = Observer(recording, Config(clock=preparation.clock))
    with ExitStack() as drafts:
        paths = {key: drafts.enter_context(Draft(root / key)) for key in wanted}
        makers = {
            key: _Maker(paths[key] / ARRAYS, trace, recording, grid, origins_ns)
            for key, grid in wanted.items()
        }
        for number, local_ns in enumerate(origins_ns):
            observer.until(recording.raw_ns(int(local_ns)))
            for maker in makers.values():
                maker.look(number, observer)
        observer.until(recording.arrivals[-1].raw_ns)
        for key, maker in makers.items():
            maker.finish(observer.learnt)
            write_index(paths[key], {"windows": len(origins_ns), "trace": trace.name})
    return dict.fromkeys(wanted, len(origins_ns))


def _origins(trace: Trace, recording: Recording, preparation: Preparation) -> NDArray[np.int64]:
    first_ns, last_ns = (recording.local_ns(recording.arrivals[n].raw_ns) for n in (0, -1))
    begin_ns, end_ns = max(first_ns, gauge(trace).known_ns), max(last_ns, _last_truth_ns(trace))
    try:
        found = preparation.origins.of(first_ns, last_ns, trace.cadence_s, begin_ns)
    except TooManyOriginsError as error:
        raise NoWindowsError(str(error)) from None
    if trace.kind == "series":
        found = _on_samples(found, trace)
    nearest_s = min(preparation.horizons_s)
    usable = found[found + round(nearest_s * NS_PER_S) <= end_ns]
    if not usable.size:
        raise NoWindowsError(
            f"no window fits: it lasts {(last_ns - first_ns) / NS_PER_S:.0f} s, the warm-up takes "
            f"{preparation.origins.warm_up_s:g} s and the nearest horizon {nearest_s:g} s. "
            "Shorten --warm-up or --horizons"
        )
    return usable


def _on_samples(found: NDArray[np.int64], trace: Trace) -> NDArray[np.int64]:
    """Move origins back to samples: a series has values there and nowhere else."""
    times_ns = np.rint(trace.time_s * NS_PER_S).astype(np.int64)
    # An origin that was told as a number may be a little early.
    place = np.searchsorted(times_ns, found + NS_PER_US, side="right") - 1
    return np.unique(times_ns[place[place >= 0]])


def between(at_s: Vector, times_s: Vector, values: Vector) -> Vector:
    """Values between known ones; NaN outside of them, and in holes: nothing is made up there.

    Args:
        at_s: where they are wanted.
        times_s: of the known ones, ascending.
        values: the known ones.
    """
    found: Vector = np.interp(at_s, times_s, values, left=np.nan, right=np.nan)
    if len(times_s) > 1:
        steps = np.diff(times_s)
        after = np.clip(np.searchsorted(times_s, at_s, side="left"), 1, len(steps))
        exact = np.isin(at_s, times_s)
        found[(steps[after - 1] > HOLE * np.median(steps)) & ~exact] = np.nan
    return found


def _last_truth_ns(trace: Trace) -> int:
    return round(float(trace.truth_time_s[-1]) * NS_PER_S) if trace.truth_time_s.size else 0


class _Maker:
    """Fills the windows of one grid."""

    def __init__(
        self,
        directory: Path,
        trace: Trace,
        recording: Recording,
        grid: Grid,
        origins_ns: NDArray[np.int64],
    ) -> None:
        self._trace, self._grid, self._recording = trace, grid, recording
        self._origins_ns = origins_ns
        self._writer = WindowWriter(directory, len(origins_ns), grid.context, len(grid.steps))
        self._frequency = np.full(len(origins_ns), np.nan)
        self._shift_ns = recording.shift_ns

    def look(self, number: int, observer: Observer) -> None:
        """Write down what is known at an origin, and nothing that comes after it."""
        raw_ns = self._recording.raw_ns(int(self._origins_ns[number]))
        window = observer.window(raw_ns, self._grid.step_ns, self._grid.context)
        instants = [raw_ns + steps * self._grid.step_ns for steps in self._grid.steps]
        expected = observer.expect(instants)
        if window is None or expected is None:
            return
        trend = window.trend
        beyond_s, beyond_sigma_s = expected_beyond(window)
        offset_s = (trend.offset_ns + self._shift_ns) / NS_PER_S
        covariance = (trend.var_offset, trend.cov, trend.var_frequency, trend.wander_psd)
        self._frequency[number] = trend.frequency
        self._writer.write(
            number,
            {
                "values": window.values,
                "noise": window.noise,
                "trend": (offset_s, trend.frequency, *covariance),
                "expected": beyond_s,
                "expected_sigma": beyond_sigma_s,
                "context": window.measured,
                "last": last_value(window.values, offset_s, trend.frequency, self._grid),
                "scale": [naive_scale(window.values, steps) for steps in self._grid.steps],
                "mean": [self._seconds(each.offset_ns) for each in expected],
                "sigma": [each.sigma_s for each in expected],
                "low": [self._seconds(low_ns) for low_ns, _high_ns in map(_bounds, expected)],
                "high": [self._seconds(high_ns) for _low_ns, high_ns in map(_bounds, expected)],
            },
        )

    def _seconds(self, offset_ns: float) -> float:
        """An offset of the recording."""
        return (offset_ns + self._shift_ns) / NS_PER_S

    def finish(self, learnt: Sequence[Learnt]) -> None:
        """Write what is left, and what windows are judged by."""
        self._writer.close()
        self._writer.column("origin_s", self._origins_ns / NS_PER_S)
        judge, step_ns = Judge(learnt, self._recording), self._grid.step_ns
        targets_ns = [self._origins_ns + steps * step_ns for steps in self._grid.steps]
        truth = [self._truth(each) for each in targets_ns]
        self._writer.column("truth", np.stack(truth, axis=1))
        measured = [judge.measured(each, step_ns, self._frequency) for each in targets_ns]
        self._writer.column("measured", np.stack(measured, axis=1))

    def _truth(self, targets_ns: NDArray[np.int64]) -> Vector:
        if not self._trace.truth_time_s.size:
            return np.full(len(targets_ns), np.nan)
        times, measured = self._trace.truth_time_s, gauge(self._trace)
        truth = (self._trace.truth_s - measured.zero) / measured.unit_per_s
        return between(targets_ns / NS_PER_S, times, truth)


def _bounds(expected: Expected) -> tuple[float, float]:
    """Hard limits in ns; NaN where there are none."""
    if expected.low_ns is None or expected.high_ns is None:
        return np.nan, np.nan
    return expected.low_ns, expected.high_ns
