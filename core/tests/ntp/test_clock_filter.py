from __future__ import annotations

from collections.abc import Callable

from chronotick.ntp.clock_filter import filter_samples
from chronotick.ntp.drift import PHI, Drift
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
KNOWN = Drift(rate=0.0, uncertainty=1e-9)
MakeSample = Callable[..., Measurement]


def test_without_samples_there_is_no_answer() -> None:
    assert filter_samples([], KNOWN, 0) is None


def test_the_sample_with_the_lowest_delay_is_believed(sample: MakeSample) -> None:
    samples = [sample(at_s=second, delay_ns=9_000_000) for second in range(8)]
    samples[3] = sample(at_s=3, delay_ns=1_000_000, offset_ns=42)
    filtered = filter_samples(samples, KNOWN, 8 * SECOND)
    assert filtered is not None
    assert filtered.best is samples[3]
    assert filtered.offset_ns == 42


def test_a_lucky_sample_does_not_outlive_its_use(sample: MakeSample) -> None:
    """At 15 ppm 1000 s are worth 15 ms, more than the 4 ms by which its half delay is better."""
    lucky, recent = sample(at_s=0, delay_ns=1_000_000), sample(at_s=1000, delay_ns=9_000_000)
    filtered = filter_samples([lucky, recent], KNOWN, 1000 * SECOND)
    assert filtered is not None
    assert filtered.best is recent


def test_half_the_delay_and_the_precision_are_what_a_sample_may_be_wrong_by(
    sample: MakeSample,
) -> None:
    """Each pair is 0.1 ms apart by this measure, and the other way round by any simpler one."""
    pairs = [((2000, 100), (1400, 500)), ((1000, 500), (2200, 0))]
    for pair in pairs:
        better, worse = (sample(delay_ns=d * 1000, precision_ns=p * 1000) for d, p in pair)
        filtered = filter_samples([worse, better], KNOWN, 0)
        assert filtered is not None
        assert filtered.best is better


def test_the_root_distance_grows_by_15_ppm(sample: MakeSample) -> None:
    only = sample(at_s=50, root_delay_ns=2_000_000, root_dispersion_ns=500_000)
    filtered = filter_samples([only], KNOWN, 150 * SECOND)
    assert filtered is not None
    assert filtered.root_distance_ns == only.root_distance_ns + round(PHI * 100 * SECOND)


def test_the_root_distance_grows_faster_while_the_drift_is_unknown(sample: MakeSample) -> None:
    only = sample(at_s=0)
    filtered = filter_samples([only], Drift(), 10 * SECOND)
    assert filtered is not None
    assert filtered.root_distance_ns == only.root_distance_ns + 5_000_000


def test_the_offset_is_carried_to_the_present(sample: MakeSample) -> None:
    filtered = filter_samples([sample(offset_ns=7)], Drift(40e-6, 1e-6), 10 * SECOND)
    assert filtered is not None
    assert filtered.offset_ns == 7 + 400_000


def test_a_steady_drift_is_not_jitter(sample: MakeSample) -> None:
    samples = [sample(at_s=s, offset_ns=s * 40_000, precision_ns=100) for s in range(8)]
    filtered = filter_samples(samples, Drift(40e-6, 1e-6), 7 * SECOND)
    assert filtered is not None
    assert filtered.jitter_ns == 100


def test_jitter_is_the_scatter_about_the_best(sample: MakeSample) -> None:
    best = sample(at_s=0, delay_ns=10, offset_ns=1000)
    others = [sample(at_s=0, delay_ns=99, offset_ns=1000 + sign * 3000) for sign in (1, -1)]
    filtered = filter_samples([best, *others], KNOWN, 0)
    assert filtered is not None
    assert filtered.jitter_ns == 3000


def test_one_sample_scatters_by_its_precision(sample: MakeSample) -> None:
    filtered = filter_samples([sample(precision_ns=70)], KNOWN, 0)
    assert filtered is not None
    assert (filtered.jitter_ns, filtered.raw_ns) == (70, 0)
