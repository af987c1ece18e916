from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronotick.clock import BankOptions, Innovation, KalmanBank
from chronotick.clock.options import NOISE_HYPOTHESES, bank_options
from chronotick.clock.packing import packed
from chronotick.clock.posterior import Posterior
from chronotick.config.schema import Clock
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND
SMALL = BankOptions(wanders=(1e-9, 1e-8), drift_constants_s=(600.0,), periods_s=(1000.0,))


def measurement(
    raw_s: float,
    offset_ns: int,
    delay_ns: int = 100_000,
    source: str = "a",
    *,
    delay_known: bool = True,
) -> Measurement:
    return Measurement(
        source=source,
        raw_ns=round(raw_s * SECOND),
        offset_ns=offset_ns,
        delay_ns=delay_ns,
        precision_ns=100,
        root_delay_ns=0,
        root_dispersion_ns=1000,
        stratum=1,
        delay_known=delay_known,
    )


def steady(options: BankOptions | None = None, sources: str = "a", until: int = 640) -> KalmanBank:
    """A bank that has seen a steady clock at BASE."""
    bank = KalmanBank(options)
    for t in range(0, until, 16):
        for lag, source in enumerate(sources):
            bank.update(measurement(t + lag, BASE, source=source))
    return bank


def state(bank: KalmanBank, raw_s: float):
    found = bank.state(round(raw_s * SECOND))
    assert found is not None
    return found


def test_without_measurements_there_is_no_state():
    bank = KalmanBank()
    assert bank.state(0) is None
    assert bank.newest_raw_ns is None
    assert bank.expected_error_s(measurement(1, BASE)) == pytest.approx(0.0, abs=1e-12)


def test_first_measurement_sets_the_offset_exactly():
    bank = KalmanBank()
    bank.update(measurement(10, BASE + 123))
    assert state(bank, 10).offset_ns == BASE + 123
    assert bank.newest_raw_ns == 10 * SECOND


@pytest.mark.parametrize("frequency", [0.0, 20e-6, -491e-6])
def test_offset_and_frequency_of_a_steady_oscillator_are_found(frequency):
    rng = np.random.default_rng(1)
    bank = KalmanBank()
    for t in range(0, 3200, 16):
        queue = rng.exponential(20e3, 2)
        offset = BASE + round(frequency * t * 1e9) + round((queue[0] - queue[1]) / 2)
        bank.update(measurement(t, offset, 80_000 + round(queue.sum())))
    found = state(bank, 3200)
    assert found.frequency == pytest.approx(frequency, abs=2e-8)
    assert abs(found.offset_ns - BASE - round(frequency * 3200e9)) < 5_000


def test_a_queued_packet_moves_the_estimate_by_less_than_a_prompt_one():
    def shift(delay_ns: int) -> int:
        bank = steady()
        bank.update(measurement(640, BASE + 2_000, delay_ns))
        return state(bank, 640).offset_ns - BASE

    assert shift(100_000) > 200
    assert 0 <= shift(180_000) < shift(100_000) / 10


def test_biases_of_two_sources_are_told_apart_in_proportion_to_their_delays():
    bank = KalmanBank()
    for t in range(0, 3200, 16):
        bank.update(measurement(t, BASE, 2_000_000, source="far"))
        bank.update(measurement(t + 1, BASE - 30_000, 20_000_000, source="farther"))
    far = bank.expected_error_s(measurement(3200, BASE, 2_000_000, source="far"))
    farther = bank.expected_error_s(measurement(3200, BASE, 20_000_000, source="farther"))
    assert far - farther == pytest.approx(30e-6, rel=0.1)
    assert abs(far) < abs(farther) / 10
    assert bank.expected_error_s(measurement(3200, BASE, source="never seen")) == pytest.approx(
        0.0, abs=1e-12
    )


def test_single_outlier_is_gated_and_barely_moves_the_clock():
    bank = steady()
    innovation = bank.update(measurement(640, BASE + 50_000_000))
    assert innovation.outlier
    assert not innovation.reacquired
    assert abs(state(bank, 640).offset_ns - BASE) < 20_000


def test_a_real_change_is_acquired_again_after_four_measurements():
    bank = steady()
    found = [bank.update(measurement(640 + 16 * n, BASE + 50_000_000)) for n in range(10)]
    assert [each.reacquired for each in found].index(True) == 3
    assert not found[-1].outlier
    assert abs(state(bank, 800).offset_ns - BASE - 50_000_000) < 500_000


def test_an_outlier_says_little_against_a_filter():
    bank = steady(SMALL)
    before = np.log(bank.weights)
    bank.update(measurement(640, BASE + 50_000_000))
    assert np.abs(np.log(bank.weights) - before).max() < 12


def test_a_filter_loses_five_nats_at_most_and_forgets_them():
    """By one measurement, against one that expected it; of what was said before, 0.2 % each."""
    bank = KalmanBank(SMALL)
    usual = np.full(len(bank.weights), 1e-10)
    expected = -0.5 * np.log(2 * np.pi * usual)
    said = expected.copy()
    said[0] -= 1e6
    found = Posterior(usual, usual, usual, said)
    bank._reweigh(found, usual)
    logs = np.log(bank.weights / bank.weights[1])
    assert logs[:2].tolist() == pytest.approx([-5.0, 0.0])
    bank._reweigh(found, usual)
    assert np.log(bank.weights[0] / bank.weights[1]) == pytest.approx(-5.0 * 0.998 - 5.0)


def test_a_route_that_changed_has_a_bias_of_which_less_is_known():
    """Uniform over the change, half of it to either side."""
    bank = steady(SMALL)
    shorter = measurement(640, BASE, delay_ns=40_000)
    before = bank._filters.p.copy()
    bank._follow_route(shorter, bank._sources["a"])
    more = bank._filters.p - before
    assert more[:, 6, 6] == pytest.approx(60e-6**2 / 12)
    assert np.count_nonzero(more) == len(more)


def test_uncertainty_grows_away_from_the_measurements():
    found = state(steady(), 640)
    sigmas = [found.sigma_at((640 + age) * SECOND) for age in (0, 10, 100, 1000, 10_000)]
    assert sigmas == sorted(sigmas)
    assert sigmas[-1] > 10 * sigmas[0]
    assert found.sigma_at(-10_000 * SECOND) > 10 * sigmas[0]


def test_measurements_may_arrive_a_little_out_of_order_but_not_a_minute():
    bank = KalmanBank()
    bank.update(measurement(100, BASE))
    bank.update(measurement(99.9, BASE, source="b"))
    assert bank.newest_raw_ns == 100 * SECOND
    with pytest.raises(ValueError, match="older"):
        bank.update(measurement(10, BASE))


def test_nor_a_minute_in_several_steps():
    """Each was once compared with the one before, not with the newest."""
    bank = KalmanBank()
    for raw_s in (100, 60):
        bank.update(measurement(raw_s, BASE))
    with pytest.raises(ValueError, match="older"):
        bank.update(measurement(30, BASE))


def test_disorder_costs_nothing():
    orderly, disorderly = KalmanBank(SMALL), KalmanBank(SMALL)
    for t in range(0, 1600, 16):
        pair = [measurement(t + lag, BASE + 20 * t, source=s) for lag, s in ((0, "a"), (0.2, "b"))]
        for first, second in ((orderly, pair), (disorderly, pair[::-1])):
            for each in second:
                first.update(each)
    one, other = state(orderly, 1600), state(disorderly, 1600)
    assert abs(one.offset_ns - other.offset_ns) < 20
    assert one.var_offset == pytest.approx(other.var_offset, rel=0.02)


def test_covariance_stays_positive_over_many_updates():
    rng = np.random.default_rng(3)
    bank = KalmanBank(SMALL)
    for t in range(3000):
        delay = 80_000 + round(rng.exponential(1e5))
        bank.update(measurement(t, BASE, delay, source=f"s{t % 4}"))
    p = bank._filters.p
    np.testing.assert_array_equal(p, p.transpose(0, 2, 1))
    sigma = np.sqrt(np.diagonal(p, axis1=1, axis2=2))
    sigma = np.where(sigma > 0, sigma, 1.0)  # states that a hypothesis does not have
    scaled = p / (sigma[:, :, np.newaxis] * sigma[:, np.newaxis])
    assert np.linalg.eigvalsh(scaled).min() > -1e-9


def test_after_a_gap_of_hours_the_covariance_is_one():
    """That of a thermostat's hypothesis had become indefinite."""
    bank = KalmanBank()
    for t in (*range(0, 1600, 16), 40_000, 90_000):
        bank.update(measurement(t, BASE))
        p = bank._filters.p
        sigma = np.sqrt(np.maximum(np.diagonal(p, axis1=1, axis2=2), 1e-60))
        assert np.linalg.eigvalsh(p / (sigma[:, :, None] * sigma[:, None])).min() > -1e-8


plausible = st.tuples(
    st.floats(0.0, 5000.0),  # seconds since the one before
    st.integers(-(10**9), 10**9),  # offset from BASE
    st.integers(1, 3 * 10**9),
    st.sampled_from("abc"),
    st.booleans(),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(plausible, min_size=1, max_size=25))
def test_whatever_is_measured_every_number_stays_finite(sequence):
    bank, raw_s = KalmanBank(SMALL), 0.0
    for since_s, offset_ns, delay_ns, source, delay_known in sequence:
        raw_s += since_s
        each = measurement(raw_s, BASE + offset_ns, delay_ns, source, delay_known=delay_known)
        innovation = bank.update(each)
        found = state(bank, raw_s + 10)
        numbers = [
            innovation.normalised, innovation.variance, innovation.noise_variance,
            found.frequency, found.cov, found.var_offset, found.var_frequency, found.var_route,
            bank.noise_s(each), bank.expected_error_s(each), *bank.weights,
        ]  # fmt: skip
        assert np.isfinite(numbers).all()
        assert min(innovation.variance, found.var_offset, found.var_frequency) > 0
        assert 0 <= found.var_route <= found.var_offset
        own = found.variance_at(round(raw_s * SECOND))
        later = found.variance_at(round((raw_s + 500) * SECOND))
        assert later >= own * (1 - 1e-12)  # equal where it would shrink, but for the last bit
    twin = KalmanBank(SMALL)
    twin.restore(json.loads(json.dumps(bank.snapshot())))
    assert twin.state(10**14) == bank.state(10**14)


def test_a_measurement_may_be_a_minute_older_to_the_nanosecond():
    bank = steady(SMALL, until=640)
    newest_ns = bank.newest_raw_ns
    assert newest_ns is not None
    old = replace(measurement(0, BASE), raw_ns=newest_ns - 60 * SECOND)
    bank.update(old)
    with pytest.raises(ValueError, match="more than a minute"):
        bank.update(replace(old, raw_ns=old.raw_ns - 1))


@pytest.mark.parametrize(("delay_known", "sigma"), [(True, 0.3), (False, 0.0)])
def test_errors_follow_the_delay_at_first_by_as_much_as_the_options_say(
    delay_known: bool, sigma: float
):
    bank = KalmanBank(replace(SMALL, delay_slope=0.3))
    bank.update(measurement(0, BASE, delay_known=delay_known))
    assert bank._filters.p[:, 7, 7] == pytest.approx(sigma**2)


@pytest.mark.parametrize("gone", ["a", "b", "c"])
def test_the_states_of_a_source_that_is_gone_are_taken_out(gone: str):
    bank = steady(SMALL, sources="abc")
    before = bank._filters.x
    columns = [*range(6), *(6 + 2 * n + m for n in range(3) for m in (0, 1) if "abc"[n] != gone)]
    own = bank._filters.p[:, columns][:, :, columns]
    bank.drop(gone)
    np.testing.assert_array_equal(bank._filters.x, before[:, columns])
    np.testing.assert_array_equal(bank._filters.p, own)


def test_a_first_measurement_is_never_exact():
    bank = KalmanBank(SMALL)
    bank.update(replace(measurement(0, BASE, 0), precision_ns=0, root_dispersion_ns=0))
    now = state(bank, 0)
    assert 1e-13 < now.var_offset < 2e-12, "1 us, and 1 us of the measurement"


def test_an_innovation_counts_in_what_was_expected_of_it():
    usual = Innovation(residual_s=-3.0, variance=4.0, noise_variance=1.0)
    assert (usual.normalised, usual.outlier, usual.reacquired) == (-1.5, False, False)


def test_noise_of_a_first_sample_is_not_zero():
    first = measurement(1, BASE, 40_000_000)
    bank = KalmanBank()
    assert bank.noise_s(first) > 1e-3  # asked before it was taken
    bank.update(first)
    assert bank.noise_s(first) > 1e-3
    assert bank.noise_s(replace(first, delay_ns=60_000_000)) > 5e-3


def test_a_source_that_is_gone_takes_its_errors_with_it_and_nothing_else():
    bank = steady(sources="ab")
    before = state(bank, 640)
    about_b = bank.expected_error_s(measurement(640, BASE, source="b"))
    bank.drop("a")
    bank.drop("never seen")
    after = state(bank, 640)
    assert abs(after.offset_ns - before.offset_ns) < 100
    assert after.frequency == pytest.approx(before.frequency, abs=1e-12)
    assert bank.expected_error_s(measurement(640, BASE, source="a")) == pytest.approx(
        0.0, abs=1e-12
    )
    assert bank.expected_error_s(measurement(640, BASE, source="b")) == pytest.approx(
        about_b, abs=1e-7
    )
    bank.update(measurement(656, BASE, source="a"))


def test_without_any_source_left_the_clock_goes_on():
    """Judging the routes of no servers divided by zero."""
    bank = steady()
    bank.drop("a")
    assert abs(state(bank, 700).offset_ns - BASE) < 1000
    assert state(bank, 700).var_route == 0.0


def test_snapshot_restores_the_same_state():
    bank = steady(sources="abc")
    twin = KalmanBank()
    twin.restore(json.loads(json.dumps(bank.snapshot())))
    assert twin.state(1000 * SECOND) == bank.state(1000 * SECOND)
    next_one = measurement(700, BASE, source="b")
    assert twin.update(next_one) == bank.update(next_one)
    assert twin.state(1000 * SECOND) == bank.state(1000 * SECOND)


def test_a_snapshot_replaces_everything():
    bank, other = steady(), steady(sources="cd")
    for n in range(3):
        other.update(measurement(640 + n, BASE + 50_000_000, source="c"))
    other.restore(bank.snapshot())
    jumped = measurement(650, BASE + 50_000_000)
    assert other.update(jumped) == bank.update(jumped)  # three outliers before do not count


def damaged(bank: KalmanBank, damage: dict) -> dict:
    snapshot = bank.snapshot()
    source = {**snapshot["sources"]["a"], **damage.pop("source", {})}
    return {**snapshot, "sources": {"a": source}, **damage}


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 1},
        {"version": None},
        {"x": packed(np.zeros(3))},
        {"x": "no base64!"},
        {"p": packed(np.full((40, 8, 8), np.nan))},
        {"p": base64.b64encode(b"half").decode()},
        {"raw_ns": None},
        {"raw_ns": float("inf")},
        {"base_ns": "soon"},
        {"log_weights": packed(np.zeros(3))},
        {"log_weights": [0.0]},
        {"sources": {}},
        {"sources": None},
        {"sources": {"a": None}},
        {"source": {"bias_prior": float("nan")}},
        {"source": {"bias_prior": -1.0}},
        {"source": {"delays": 5}},
        {"source": {"density": {}}},
    ],
)
def test_damaged_snapshots_are_refused_and_change_nothing(damage):
    bank = steady()
    bad = damaged(bank, dict(damage))
    before, next_one = bank.state(700 * SECOND), measurement(656, BASE)
    with pytest.raises(ValueError, match="saved state"):
        bank.restore(bad)
    assert bank.state(700 * SECOND) == before
    assert bank.update(next_one) == steady().update(next_one)


def test_a_negative_variance_is_refused():
    bank = steady()
    negative = packed(-bank._filters.p)
    with pytest.raises(ValueError, match=re.escape("damaged, or of a bank with other hypotheses")):
        bank.restore({**bank.snapshot(), "p": negative})


def test_a_snapshot_of_other_hypotheses_is_refused():
    with pytest.raises(ValueError, match="other hypotheses"):
        KalmanBank(SMALL).restore(steady().snapshot())


def scattered(sigma_ns: float, count: int) -> KalmanBank:
    """A bank that has seen a series without delays."""
    rng = np.random.default_rng(5)
    bank = KalmanBank()
    for t in range(0, 16 * count, 16):
        offset = BASE + round(rng.normal(0, sigma_ns))
        bank.update(measurement(t, offset, 100, delay_known=False))
    return bank


@pytest.mark.parametrize("sigma_ns", [3e3, 30e3, 1e6])
def test_of_series_without_delays_scatter_teaches_the_noise(sigma_ns):
    found = state(scattered(sigma_ns, 400), 6400)
    assert abs(found.offset_ns - BASE) < 0.5 * sigma_ns
    assert 0.05 * sigma_ns < found.sigma_at(found.raw_ns) * 1e9 < 0.7 * sigma_ns


@pytest.mark.parametrize("count", [40, 600])
def test_their_noise_is_stated_about_as_it_is(count):
    last = measurement(0, BASE, 100, delay_known=False)
    assert scattered(30e3, count).noise_s(last) == pytest.approx(30e-6, rel=0.4)


def test_a_step_in_such_a_series_is_followed():
    rng = np.random.default_rng(8)
    bank = KalmanBank()
    for t in range(0, 16 * 300, 16):
        offset = BASE + round(rng.normal(0, 30e3)) + (20_000_000 if t >= 16 * 250 else 0)
        bank.update(measurement(t, offset, 100, delay_known=False))
    assert abs(state(bank, 4800).offset_ns - BASE - 20_000_000) < 40_000


def test_bad_measurements_of_such_series_do_not_matter():
    rng = np.random.default_rng(6)
    bank = KalmanBank()
    for t in range(0, 16 * 400, 16):
        wrong = rng.normal(0, 3e6 if rng.random() < 0.2 else 30e3)
        bank.update(measurement(t, BASE + round(wrong), 100, delay_known=False))
    assert abs(state(bank, 6400).offset_ns - BASE) < 20_000


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (BankOptions(), 19),
        (BankOptions(wanders=(1e-9,)), 13),
        (BankOptions(drift_constants_s=()), 15),
        (BankOptions(periods_s=()), 11),
        (BankOptions(wanders=(1e-9,), drift_constants_s=(), periods_s=()), 1),
    ],
)
def test_hypotheses_are_those_of_the_options(options, count):
    assert len(options.hypotheses()) == count
    assert len(KalmanBank(options).weights) == count * len(NOISE_HYPOTHESES)
    assert KalmanBank(options).weights.sum() == pytest.approx(1.0)


def test_parts_that_are_switched_off_are_in_no_hypothesis():
    calm = BankOptions(drift_constants_s=(), periods_s=()).hypotheses()
    assert {(h.drift_constant_s, h.period_s) for h in calm} == {(None, None)}
    thermal = BankOptions(periods_s=()).hypotheses()
    assert {h.period_s for h in thermal} == {None}


def test_without_slopes_errors_do_not_follow_the_delay():
    def slope(options: BankOptions) -> float:
        rng, bank = np.random.default_rng(7), KalmanBank(options)
        for t in range(0, 16 * 600, 16):
            excess = rng.exponential(1e6)
            bank.update(measurement(t, BASE + round(0.4 * excess), 10**6 + round(excess)))
        near, far = measurement(9600, BASE, 10**6), measurement(9600, BASE, 2 * 10**6)
        return (bank.expected_error_s(far) - bank.expected_error_s(near)) / 1e-3

    assert slope(BankOptions()) == pytest.approx(0.4, abs=0.06)
    assert abs(slope(BankOptions(delay_slope=0.0, learn_noise=False))) < 0.01


def test_without_asymmetry_servers_that_differ_are_noise():
    bank = steady(BankOptions(route_asymmetry=0.0), sources="a")
    assert state(bank, 640).var_route < 2e-12  # the floor of time stamping
    assert state(steady(BankOptions(route_asymmetry=0.1)), 640).var_route > 1e-11


def test_without_learning_noise_stays_uniform():
    bank = steady(BankOptions(learn_noise=False))
    excess_s = 1e-3
    later = measurement(640, BASE, 100_000 + 1_000_000)
    assert bank.noise_s(later) == pytest.approx(excess_s / np.sqrt(12), rel=0.05)
    assert bank.noise_s(later) > steady().noise_s(later)


def test_the_gate_is_an_option():
    unusual = measurement(640, BASE + 60_000)
    assert steady(BankOptions(outlier_sigmas=3.0)).update(unusual).outlier
    assert not steady(BankOptions(outlier_sigmas=300.0)).update(unusual).outlier


def test_options_are_those_of_the_configuration():
    clock = Clock(periods=[], wander=[3e-9], max_frequency_error_ppm=250.0, delay_slope=0.1)
    options = bank_options(clock)
    assert options == BankOptions(
        periods_s=(), wanders=(3e-9,), max_frequency_error=250e-6, delay_slope=0.1
    )
    assert bank_options(Clock()) == BankOptions()
