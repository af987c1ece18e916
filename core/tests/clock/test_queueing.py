from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.clock.queueing import CHANGED_AFTER, KEPT, NEAREST, SETTLED, WINDOW, Queueing

MINIMUM_S = 10e-3
delays = st.floats(min_value=1e-7, max_value=3.0)


def fed(values) -> Queueing:
    queueing = Queueing()
    for value in values:
        queueing.add(float(value))
    return queueing


def changes(queueing: Queueing, values) -> list[float]:
    return [change for value in values if (change := queueing.add(float(value)))]


def queued(rng, count: int, servers: int = 2, mean_s: float = 1e-4, minimum_s: float = MINIMUM_S):
    return minimum_s + rng.exponential(mean_s, (count, servers)).sum(axis=1)


def test_of_nothing_nothing_is_known():
    queueing = Queueing()
    assert (queueing.minimum_s, queueing.margin_s, queueing.excess_s(1.0)) == (0.0, 0.0, 0.0)


def test_excess_counts_from_the_shortest_delay():
    queueing = fed([3e-3, 2e-3, 5e-3])
    assert queueing.minimum_s == 2e-3
    assert queueing.excess_s(2.5e-3) == pytest.approx(0.5e-3)
    assert queueing.excess_s(1e-3) == 0.0


def test_a_single_delay_may_have_queued_for_a_good_part_of_it():
    assert 0.2 * MINIMUM_S < fed([MINIMUM_S]).margin_s < 0.25 * MINIMUM_S


def test_the_margin_of_a_steady_delay_vanishes():
    assert fed([MINIMUM_S] * NEAREST).margin_s == 0.0


@pytest.mark.parametrize("servers", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [32, 512])
def test_the_margin_is_what_the_minimum_of_some_delays_lacks_whatever_the_queues(servers, count):
    rng = np.random.default_rng(servers)
    queues = [fed(queued(rng, count, servers)) for _ in range(60)]
    lacking = np.mean([queueing.minimum_s - MINIMUM_S for queueing in queues])
    margin = np.mean([queueing.margin_s for queueing in queues])
    assert margin > 0.9 * lacking
    assert margin < 25 * lacking  # nor so much more that prompt packets are of no use


@given(st.lists(delays, min_size=1, max_size=80))
def test_the_minimum_is_that_of_what_is_remembered(values):
    queueing = fed(values)
    shortest = sorted(queueing.snapshot())
    assert queueing.minimum_s == shortest[1 if len(shortest) >= SETTLED else 0]
    assert queueing.margin_s >= 0.0
    assert all(queueing.excess_s(value) >= 0.0 for value in values)


def test_old_delays_are_forgotten():
    queueing = fed([MINIMUM_S, MINIMUM_S, *[1.001 * MINIMUM_S] * (WINDOW - 2)])
    assert queueing.minimum_s == MINIMUM_S
    queueing.add(1.002 * MINIMUM_S)
    assert queueing.minimum_s == 1.001 * MINIMUM_S
    assert len(queueing.snapshot()) == WINDOW


def test_a_single_lucky_delay_is_no_shorter_minimum():
    """Every excess counts from the minimum: one early stamp once moved the estimate by 0.1 ms."""
    queueing = fed([*[MINIMUM_S] * SETTLED, 0.97 * MINIMUM_S])
    assert queueing.minimum_s == MINIMUM_S
    assert queueing.excess_s(0.97 * MINIMUM_S) == 0.0
    queueing.add(0.97 * MINIMUM_S)
    assert queueing.minimum_s == 0.97 * MINIMUM_S


@pytest.mark.parametrize("seed", range(5))
def test_a_longer_route_is_found_once_nothing_comes_near_the_old_minimum(seed):
    """What queued just before the change was once taken for the minimum of the new route."""
    rng = np.random.default_rng(seed)
    queueing = fed([*queued(rng, 400), *[MINIMUM_S + 4e-4] * seed])
    old_s = queueing.minimum_s
    longer = queued(rng, CHANGED_AFTER, minimum_s=MINIMUM_S + 3e-3)
    assert changes(queueing, longer[: CHANGED_AFTER // 2]) == []
    assert changes(queueing, longer[CHANGED_AFTER // 2 :]) == [pytest.approx(3e-3, rel=0.05)]
    assert queueing.minimum_s > MINIMUM_S + 3e-3
    assert queueing.minimum_s - old_s == pytest.approx(3e-3, rel=0.05)


@pytest.mark.parametrize(("before", "needed"), [(300, CHANGED_AFTER), (140, CHANGED_AFTER)])
def test_a_longer_route_is_found_after_so_many_in_a_row_and_no_sooner(before: int, needed: int):
    queueing = fed([MINIMUM_S] * before)
    queueing.add(2 * MINIMUM_S)
    queueing.add(MINIMUM_S)  # the count begins anew
    assert changes(queueing, [1.5 * MINIMUM_S] * (needed - 1)) == []
    assert changes(queueing, [1.5 * MINIMUM_S]) == [pytest.approx(0.5 * MINIMUM_S)]
    assert len(queueing.snapshot()) == KEPT


def test_few_delays_know_no_old_route():
    """Of 256 at least half must be of the old one."""
    queueing = fed([MINIMUM_S] * (CHANGED_AFTER - 1))
    assert changes(queueing, [1.5 * MINIMUM_S] * CHANGED_AFTER) == []
    assert changes(queueing, [1.5 * MINIMUM_S]) == [pytest.approx(0.5 * MINIMUM_S)]


@pytest.mark.parametrize(("factor", "found"), [(1.021, True), (1.019, False)])
def test_a_change_of_route_is_a_fiftieth_of_the_delay_at_least(factor: float, found: bool):
    queueing = fed([MINIMUM_S] * 300)
    longer = changes(queueing, [factor * MINIMUM_S] * CHANGED_AFTER)
    shorter = changes(fed([factor * MINIMUM_S] * 300), [MINIMUM_S * (0.9995 if found else 1)])
    assert [bool(longer), bool(shorter)] == [found, found]


def test_a_change_of_route_is_three_margins_at_least():
    spread_s = np.linspace(0, 1e-3, NEAREST)  # the margin is 1 ms
    for beyond_s, found in ((2.99e-3, False), (3.01e-3, True)):
        queueing = fed([MINIMUM_S, *(MINIMUM_S + spread_s), *[MINIMUM_S + 2e-3] * 300])
        margin_s = queueing.margin_s
        assert changes(queueing, [MINIMUM_S + beyond_s * margin_s / 1e-3] * CHANGED_AFTER) == (
            [pytest.approx(beyond_s * margin_s / 1e-3)] if found else []
        )


@pytest.mark.parametrize(("before", "found"), [(SETTLED - 1, False), (SETTLED, True)])
def test_a_shorter_route_is_told_from_luck_once_delays_have_settled(before: int, found: bool):
    assert bool(changes(fed([MINIMUM_S] * before), [0.5 * MINIMUM_S])) is found


def test_the_margin_of_few_delays_is_what_they_differ_by_or_what_was_not_seen():
    assert fed([MINIMUM_S]).margin_s == pytest.approx(0.25 * MINIMUM_S * 15 / 16)
    assert fed([MINIMUM_S] * 15).margin_s == pytest.approx(0.25 * MINIMUM_S / 16)
    assert fed([MINIMUM_S, 2 * MINIMUM_S]).margin_s == pytest.approx(MINIMUM_S)
    assert fed([MINIMUM_S, *[1.1 * MINIMUM_S] * 15]).margin_s == pytest.approx(0.1 * MINIMUM_S)
    sixteen = fed([*[MINIMUM_S] * 15, 1.5 * MINIMUM_S])
    assert sixteen.margin_s == pytest.approx(0.5 * MINIMUM_S)


def test_a_shorter_route_is_found_at_once():
    rng = np.random.default_rng(2)
    queueing = fed(queued(rng, 400))
    old_s = queueing.minimum_s
    assert changes(queueing, [MINIMUM_S - 3e-3]) == [pytest.approx(old_s - MINIMUM_S + 3e-3)]


def test_a_lucky_packet_is_no_shorter_route():
    rng = np.random.default_rng(3)
    queueing = fed(queued(rng, 400))
    assert changes(queueing, [queueing.minimum_s - queueing.margin_s]) == []


def test_delays_of_two_kinds_are_no_changes_of_route():
    """As on a trace whose packets took one of two ways, 0.7 ms apart."""
    rng = np.random.default_rng(4)
    both = queued(rng, 3000) + np.where(rng.random(3000) < 0.8, 0.7e-3, 0.0)
    assert changes(Queueing(), both) == []


def test_queues_alone_never_are():
    rng = np.random.default_rng(5)
    for servers in (1, 2, 4):
        assert changes(Queueing(), queued(rng, 3000, servers)) == []


def test_after_a_restart_it_goes_on_as_before():
    rng = np.random.default_rng(6)
    queueing = fed(queued(rng, 300))
    twin = Queueing.restored(queueing.snapshot())
    for value in queued(rng, 50):
        assert twin.add(value) == queueing.add(value)
    assert (twin.minimum_s, twin.margin_s) == (queueing.minimum_s, queueing.margin_s)
