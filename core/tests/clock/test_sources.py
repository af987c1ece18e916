from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock.options import BankOptions
from chronotick.clock.sources import Sources
from chronotick.ntp.measurement import Measurement

NOISE = np.array([[0.5, 1e-6], [1.0, 2e-5]])  # caution, and floor in s


def measurement(delay_s: float, *, precision_s: float = 0.0, known: bool = True) -> Measurement:
    return Measurement(
        source="a",
        raw_ns=0,
        offset_ns=0,
        delay_ns=round(delay_s * 1e9),
        precision_ns=round(precision_s * 1e9),
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=1,
        delay_known=known,
    )


@pytest.fixture
def sources() -> Sources:
    return Sources(BankOptions(route_asymmetry=0.02), NOISE)


def test_a_bias_is_at_first_as_wide_as_the_widest_route_and_a_time_stamp(sources: Sources):
    """Twice 2 % of 10 ms, and 1 us."""
    assert sources.add(measurement(10e-3)).bias_prior == pytest.approx(400e-6**2 + 1e-12, rel=1e-12)
    assert sources.add(measurement(0.0)).bias_prior == pytest.approx(1e-12)
    assert sources.priors() == pytest.approx([1e-12])


def test_without_delays_only_time_stamps_are_asymmetric(sources: Sources):
    assert sources.add(measurement(10e-3, known=False)).bias_prior == pytest.approx(1e-12)


def test_a_measurement_ranges_over_its_excess_and_the_cautious_share_of_the_margin(
    sources: Sources,
):
    source = sources.add(measurement(10e-3))
    for delay_s in (10e-3, 12e-3):
        assert source.follow(measurement(delay_s)) == 0.0
    ranges = source.range_s(measurement(11e-3), NOISE[:, 0])
    margin_s = source.queueing.margin_s
    assert margin_s == pytest.approx(0.25 * 10e-3 * 14 / 16)
    assert ranges == pytest.approx([1e-3 + 0.5 * margin_s, 1e-3 + margin_s])


def test_without_delays_it_is_that_share_of_the_scatter(sources: Sources):
    source = sources.add(measurement(0.0, known=False))
    assert source.range_s(measurement(0.0, known=False), NOISE[:, 0]) == pytest.approx(
        [0.5e-3, 1e-3]
    )


@pytest.mark.parametrize(("precision_s", "floors"), [(0.0, (1e-6, 2e-5)), (5e-6, (5e-6, 2e-5))])
def test_no_measurement_is_better_than_its_precision_or_a_filters_floor(
    sources: Sources, precision_s: float, floors: tuple[float, float]
):
    source = sources.add(measurement(10e-3))
    for _ in range(20):
        source.follow(measurement(10e-3))
    variances = sources.noise(measurement(10e-3, precision_s=precision_s)).variance
    assert variances == pytest.approx(np.square(floors))


def test_a_measurement_of_an_unknown_source_is_as_noisy_as_its_first(sources: Sources):
    unknown = sources.noise(measurement(10e-3)).variance
    assert len(sources) == 0
    sources.add(measurement(10e-3)).follow(measurement(10e-3))
    assert sources.noise(measurement(10e-3)).variance == pytest.approx(unknown)


def test_after_a_restart_all_is_the_same(sources: Sources):
    source = sources.add(measurement(10e-3))
    source.follow(measurement(10e-3))
    twin = sources.restored(sources.snapshot())
    assert twin["a"].bias_prior == source.bias_prior
    assert twin.number("a") == 0
    later = measurement(12e-3)
    assert twin.noise(later).variance == pytest.approx(sources.noise(later).variance)


@pytest.mark.parametrize("prior", [0.0, -1.0, float("inf"), float("nan")])
def test_a_bias_that_was_never_possible_is_refused(sources: Sources, prior: float):
    sources.add(measurement(10e-3))
    saved = sources.snapshot()
    saved["a"]["bias_prior"] = prior
    with pytest.raises(ValueError, match="not a positive number"):
        sources.restored(saved)
