"""The clock filter: which of a source's last eight samples to believe (RFC 5905, section 10).

The sample with the lowest delay met the shortest queues, and its offset is the least wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chronotick.ntp.drift import Drift
from chronotick.ntp.measurement import Measurement

STAGES = 8
"""Samples kept per source (RFC 5905, NSTAGE)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """What a source's recent samples say at one moment.

    Attributes:
        best: the sample believed.
        raw_ns: the moment, CLOCK_MONOTONIC_RAW.
        offset_ns: UTC - RAW of the best sample, carried to that moment by the common drift.
        root_distance_ns: hard bound of the offset's error at that moment: the sample's own, grown
            by the drift's uncertainty (RFC 5905, section 11.2).
        jitter_ns: root mean square of the other samples' differences from the best; at least the
            best sample's precision.
    """

    best: Measurement
    raw_ns: int
    offset_ns: int
    root_distance_ns: int
    jitter_ns: int


def filter_samples(samples: Sequence[Measurement], drift: Drift, raw_ns: int) -> Filtered | None:
    """Describe a source by the best of its recent samples; None where there is none.

    Args:
        samples: the last ``STAGES`` at most, oldest first.
        drift: rate of UTC against CLOCK_MONOTONIC_RAW.
        raw_ns: CLOCK_MONOTONIC_RAW now.
    """
    if not samples:
        return None
    best = best_sample(samples, drift, raw_ns)
    return Filtered(
        best=best,
        raw_ns=raw_ns,
        offset_ns=drift.carry(best, raw_ns),
        root_distance_ns=best.root_distance_ns + drift.growth_ns(raw_ns - best.raw_ns),
        jitter_ns=_jitter_ns(samples, best, drift),
    )


def best_sample(samples: Sequence[Measurement], drift: Drift, raw_ns: int) -> Measurement:
    """Choose among a source's recent samples.

    Half the delay plus the dispersion grown since (15 ppm or the drift's own uncertainty) ranks
    them, so that a lucky sample does not outlive its use.

    Args:
        samples: at least one, oldest first.
        drift: rate of UTC against CLOCK_MONOTONIC_RAW.
        raw_ns: CLOCK_MONOTONIC_RAW now.
    """
    rate = drift.growth_rate

    def rank_ns(sample: Measurement) -> float:
        return sample.delay_ns / 2 + sample.precision_ns + rate * abs(raw_ns - sample.raw_ns)

    return min(samples, key=rank_ns)


def _jitter_ns(samples: Sequence[Measurement], best: Measurement, drift: Drift) -> int:
    others = [drift.carry(sample, best.raw_ns) for sample in samples if sample is not best]
    if not others:
        return best.precision_ns
    square = sum((offset_ns - best.offset_ns) ** 2 for offset_ns in others) / len(others)
    return max(round(math.sqrt(square)), best.precision_ns)
