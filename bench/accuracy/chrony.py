"""What default chrony would have believed: a model of it, checked on the recorded worlds.

The recorded worlds hold what chrony 4.8 estimated from their measurements; worlds of other seeds do
not. This says it for them: what `chronyd -x` with default options knows of its clock at each
instant. Per server the model keeps up to 64 samples, weighs them by how far their distance exceeds
the smallest one, fits a line by weighted least squares, and drops old samples until the signs of
the residuals pass a runs test; it corrects for delays that mostly affect one way, and leaves out
samples whose delay is unusual. Servers whose root distance intervals agree with the majority are
combined, weighted by distance (offset) and by variance (frequency). The clock takes the offset as
it is and the frequency as far as its own skew allows, and runs along that line until the next
update.

Sources: chrony.conf(5) (asymmetry, combinelimit, maxclockerror, maxdelaydevratio, maxdistance,
maxupdateskew, minsamples, reselectdist) and the algorithms as chrony's repository documents them
(github.com/mlichvar/chrony: regress, sourcestats, sources, reference). None of its code is here.

Not modelled: what depends on questions without a reply (the register of reachability), servers of
different strata, other options.

`python bench/accuracy/chrony.py` prints the check against the recorded worlds (in the folder
`CHRONOTICK_TRACES`, by default `../shared/traces`); `run.py --seeds` uses it on fresh ones.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Iterator

import numpy as np
from chrony_reference import Chrony, Update
from chrony_regression import Vector
from chrony_source import Sample
from scores import geometric_mean, rms
from worlds import World, recorded, recorded_names, traces

from chronotick.lab.recordings import Recording

SAMPLED_S = 10.0
NS = 1e9


def chrony_estimate(recording: Recording, times_s: Vector) -> Vector:
    """What default chrony, not steering the clock, would say the offset is.

    Args:
        recording: the measurements of all servers, as `read_recording` gives them.
        times_s: local times of the recording, ascending or not; shape (n,).

    Returns:
        True time - local clock, s, shape (n,); each from measurements that had arrived by then.
        0 before the first update, as chrony has it.
    """
    updates = [Update(-math.inf, 0.0, 0.0), *chrony_updates(samples(recording))]
    starts_s = np.array([each.time_s for each in updates])
    index = np.searchsorted(starts_s, times_s, side="right") - 1
    offsets_s = np.array([each.offset_s for each in updates])
    frequencies = np.array([each.frequency for each in updates])
    since_s = np.where(index > 0, times_s - starts_s[index], 0.0)
    return np.asarray(offsets_s[index] + frequencies[index] * since_s)


def chrony_updates(taken: Iterable[Sample]) -> Iterator[Update]:
    """Each change of the clock, in the order of the samples, which is that of their arrival."""
    known = list(taken)
    chrony = Chrony(sorted({sample.source for sample in known}))
    yield from filter(None, (chrony.take(sample) for sample in known))


def samples(recording: Recording) -> Iterator[Sample]:
    """Measurements as chrony sees them, on the recording's local clock."""
    for arrival in recording.arrivals:
        measured = arrival.measurement
        yield Sample(
            source=measured.source,
            arrived_s=recording.local_ns(arrival.raw_ns) / NS,
            middle_s=recording.local_ns(measured.raw_ns) / NS,
            offset_s=(measured.offset_ns + recording.shift_ns) / NS,
            delay_s=measured.delay_ns / NS,
            root_delay_s=measured.root_delay_ns / NS,
            root_dispersion_s=measured.root_dispersion_ns / NS,
        )


def chrony_as_recorded(recording: Recording, times_s: Vector, true_s: Vector) -> Vector:
    """The same as the column `chrony_offset_s` of the recorded worlds states it.

    That column was sampled every 10 s of true time and interpolated to the local times of the
    truth, so that each change of the clock is spread over up to 10 s before or after it.

    Args:
        recording: the measurements.
        times_s: local times of the truth, ascending, shape (n,).
        true_s: the true offsets then, shape (n,).
    """
    clock_s = times_s + true_s
    ticks_s = np.arange(math.ceil(clock_s[0] / SAMPLED_S), clock_s[-1] / SAMPLED_S) * SAMPLED_S
    sampled_s = np.interp(ticks_s, clock_s, times_s)
    at_s = np.concatenate([times_s[:1], sampled_s, times_s[-1:]])
    return np.interp(times_s, at_s, chrony_estimate(recording, at_s))


def recorded_worlds(only: str = "") -> Iterator[World]:
    """Those in which chrony's estimates are known."""
    for name in recorded_names():
        if name.startswith(only):
            world = recorded(name)
            if np.isfinite(world.truth.chrony_s).any():
                yield world


def check(worlds: Iterable[World]) -> None:
    """Print the model beside chrony, and geometric means of the ratio per network."""
    print(f"{'world':24s}{'chrony':>10s}{'model':>10s}{'ratio':>8s}{'apart':>8s}{'causal':>8s}")
    print(f"{'':24s}{'rms us':>10s}{'rms us':>10s}{'':>8s}{'/chrony':>8s}{'ratio':>8s}{'s':>6s}")
    ratios: dict[str, list[float]] = {}
    for world in worlds:
        truth, late = world.truth, world.truth.counts
        began = time.perf_counter()
        causal_s = chrony_estimate(world.recording, truth.time_s)
        took = time.perf_counter() - began
        model_s = chrony_as_recorded(world.recording, truth.time_s, truth.offset_s)
        theirs = rms((truth.chrony_s - truth.offset_s)[late])
        ours = rms((model_s - truth.offset_s)[late])
        apart = rms((model_s - truth.chrony_s)[late]) / theirs
        causal = rms((causal_s - truth.offset_s)[late]) / theirs
        ratios.setdefault(world.network, []).append(ours / theirs)
        print(
            f"{world.name:24s}{theirs * 1e6:10.2f}{ours * 1e6:10.2f}{ours / theirs:8.4f}"
            f"{apart:8.4f}{causal:8.4f}{took:6.2f}"
        )
    for network, values in ratios.items():
        print(f"{network:24s}geometric mean of the ratio {geometric_mean(values):.4f}")


def main() -> None:
    """Check the model on the recorded worlds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="worlds whose names begin so")
    worlds = list(recorded_worlds(parser.parse_args().only))
    if not worlds:
        parser.exit(
            1,
            f"No recorded world with chrony's estimates in {traces() / 'sim'}. "
            "Say where they are: CHRONOTICK_TRACES\n",
        )
    check(worlds)


if __name__ == "__main__":
    main()
