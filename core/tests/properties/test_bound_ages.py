"""A hard bound never shrinks while nothing is measured."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from chronotick.clock import HardBound
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
SOURCES = "abcde"

measurements = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.integers(0, 64 * SECOND),
        st.integers(-1_000_000, 1_000_000),
        st.integers(2, 2_000_000),
    ),
    min_size=1,
    max_size=12,
)


def measured(exchanges: list[tuple[str, int, int, int]]) -> tuple[HardBound, int]:
    """A bound that has seen these exchanges (source, gap, offset, delay), and when it ended."""
    bound, raw_ns = HardBound(max_drift=1e-6, max_frequency_error=50e-6), SECOND
    for source, gap_ns, offset_ns, delay_ns in exchanges:
        raw_ns += gap_ns
        measurement = Measurement(
            source=source,
            raw_ns=raw_ns,
            offset_ns=offset_ns,
            delay_ns=delay_ns,
            precision_ns=1,
            root_delay_ns=0,
            root_dispersion_ns=0,
            stratum=1,
        )
        bound.update(measurement, None)
    return bound, raw_ns


@given(measurements, st.integers(0, 10**13), st.integers(0, 10**13))
@example([("a", 0, 0, 1000), ("b", 0, 1100, 1000)], 0, 10 * SECOND)
def test_it_never_shrinks_with_age(
    exchanges: list[tuple[str, int, int, int]], age_ns: int, later_ns: int
) -> None:
    """Contradicting sources once seemed to agree as soon as they had aged enough to overlap."""
    bound, raw_ns = measured(exchanges)
    before, after = bound.at(raw_ns + age_ns), bound.at(raw_ns + age_ns + later_ns)
    assert before is not None
    assert after is not None
    assert after.low_ns <= before.low_ns <= before.high_ns <= after.high_ns
    assert (after.low_rate, after.high_rate) == (before.low_rate, before.high_rate)


@given(measurements, st.integers(0, 10**13))
def test_a_saved_one_is_the_same(exchanges: list[tuple[str, int, int, int]], age_ns: int) -> None:
    bound, raw_ns = measured(exchanges)
    twin, _ = measured([])
    twin.restore(bound.snapshot())
    assert twin.at(raw_ns + age_ns) == bound.at(raw_ns + age_ns)
