from __future__ import annotations

import dataclasses
import logging

import pytest

from chronotick.clock import HostClocks
from chronotick.daemon.publisher import Description, Plan, Publisher
from chronotick.daemon.steering import Steering
from chronotick.daemon.timekeeper import Target
from chronotick.fusion import Fused
from chronotick.shm.layout import Flags, Source, Status
from chronotick.shm.record import Record, bound_at, sigma_at, time_at

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND
ABOUT = Description(
    status=Status.SYNCHRONISED,
    flags=Flags.VALID,
    source=Source.NTP,
    confidence=0.9,
    last_sync_raw_ns=0,
    measurements=5,
)


class Kept:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, record: Record) -> Record:
        self.records.append(record)
        return record

    def renew(self, validity_ns: int) -> None:
        assert validity_ns == 3 * SECOND

    def ensure_in_place(self) -> bool:
        return False


def clocks(raw_ns: int, system_ns: int | None = None) -> HostClocks:
    return HostClocks(raw_ns, BASE + raw_ns if system_ns is None else system_ns, 0)


def target(raw_ns: int = 0, beyond_ns: int = 0) -> Target:
    return Target(
        raw_ns=raw_ns,
        offset_ns=BASE + beyond_ns,
        rate=1e-5,
        sigma_ns=100,
        sigma_rate=1e-8,
        low_ns=BASE - 500,
        high_ns=BASE + 2000,
        low_rate=-5e-6,
        high_rate=25e-6,
        fused=Fused(raw_ns=raw_ns, offset_ns=BASE + beyond_ns, sigma_s=1e-7, members=()),
    )


def plan(target: Target | None, about: Description = ABOUT, generation: int = 0) -> Plan:
    return Plan(0, target, about, suspended_ns=0, generation=generation)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def publisher(kept: Kept) -> Publisher:
    return Publisher(kept, Steering(500e-6, SECOND // 4), validity_ns=3 * SECOND, epoch=7)


def test_the_record_is_the_target_at_the_instant_of_publication(kept, publisher):
    publisher.tick(clocks(SECOND), plan(target()))
    (record,) = kept.records
    assert record.anchor_raw_ns == SECOND
    assert record.anchor_utc_ns == SECOND + BASE + 10_000
    assert record.void_after_raw_ns == 4 * SECOND
    assert record.sigma_ns == 110
    assert record.epoch == 8
    assert record.system_minus_utc_ns == -10_000


def test_the_bound_covers_both_hard_limits_at_every_later_instant(kept, publisher):
    publisher.tick(clocks(0), plan(target()))
    publisher.tick(clocks(SECOND // 10), plan(target()))
    record = kept.records[-1]
    for raw_ns in range(SECOND // 10, 4 * SECOND, SECOND // 3):
        served, bound = time_at(record, raw_ns) - raw_ns - BASE, bound_at(record, raw_ns)
        assert served - bound <= -500 - 5e-6 * raw_ns
        assert served + bound >= 2000 + 25e-6 * raw_ns


def test_what_is_still_to_be_slewed_is_part_of_the_uncertainty(kept, publisher):
    publisher.tick(clocks(0), plan(target()))
    publisher.tick(clocks(SECOND // 10), plan(target(beyond_ns=50_000), ABOUT))
    assert sigma_at(kept.records[-1], SECOND // 10) >= 50_000
    assert kept.records[-1].epoch == kept.records[0].epoch


def test_a_large_correction_begins_a_new_epoch(kept, publisher):
    publisher.tick(clocks(0), plan(target()))
    publisher.tick(clocks(1), plan(target(beyond_ns=SECOND), ABOUT))
    assert kept.records[1].epoch == kept.records[0].epoch + 1


def test_without_an_estimate_the_record_says_unknown(kept, publisher):
    about = dataclasses.replace(ABOUT, status=Status.UNKNOWN)
    publisher.tick(clocks(SECOND), plan(None, about))
    assert kept.records[0].status is Status.UNKNOWN
    assert kept.records[0].bound_ns > 10**18


def test_a_step_of_the_system_clock_is_seen_and_moves_nothing(kept, publisher, caplog):
    publisher.tick(clocks(0), plan(target()))
    with caplog.at_level(logging.WARNING, "chronotick.daemon"):
        raw_ns = SECOND // 10
        publisher.tick(clocks(raw_ns, BASE + raw_ns + 3600 * SECOND), plan(target()))
    first, second = kept.records
    assert "stepped by +3600.0" in caplog.text
    assert publisher.system_steps == 1
    assert second.anchor_utc_ns == time_at(first, raw_ns)
    assert second.system_minus_utc_ns - first.system_minus_utc_ns == pytest.approx(
        3600 * SECOND, abs=2000
    )


def test_slewing_of_the_system_clock_is_no_step(kept, publisher):
    for n in range(10):
        raw_ns = n * SECOND
        publisher.tick(
            clocks(raw_ns, BASE + raw_ns + round(500e-6 * raw_ns)), plan(target(), ABOUT)
        )
    assert publisher.system_steps == 0


def test_a_new_generation_serves_its_time_at_once(kept, publisher):
    publisher.tick(clocks(0), plan(target()))
    publisher.tick(clocks(1), plan(target(beyond_ns=50_000), generation=1))
    first, second = kept.records
    assert second.epoch == first.epoch + 1
    assert second.anchor_utc_ns == BASE + 50_001


def test_a_host_that_slept_is_told_at_once_before_anything_is_planned_anew(kept, publisher):
    publisher.tick(clocks(0), plan(target()))
    publisher.tick(HostClocks(1, BASE, 3600 * SECOND), plan(target()))
    assert kept.records[1].status is Status.DISRUPTED
    assert kept.records[1].bound_ns > 10**18


def test_between_steerings_the_line_is_only_renewed(kept, publisher):
    first, second = plan(target()), plan(target())
    assert not publisher.renew(0, 0, first)
    publisher.tick(clocks(0), first)
    assert publisher.renew(SECOND // 100, 0, first)
    assert (publisher.published, publisher.renewed) == (1, 1)
    assert not publisher.renew(SECOND // 100, 0, second)  # something was learnt
    assert not publisher.renew(SECOND // 10, 0, first)  # time to steer
    assert not publisher.renew(SECOND // 100, SECOND, first)  # the host has slept


def test_nothing_is_published_on_a_plan_that_nobody_renews(publisher, caplog):
    """With the event loop hanging, the publisher once vouched for the time for ever."""
    old = plan(target())
    assert not publisher.keeps_silent(4 * SECOND, old)
    with caplog.at_level(logging.ERROR, "chronotick.daemon"):
        assert publisher.keeps_silent(6 * SECOND, old)
        assert publisher.keeps_silent(7 * SECOND, old)
    assert caplog.text.count("publication stops") == 1
    assert not publisher.keeps_silent(7 * SECOND, Plan(6 * SECOND, target(), ABOUT, 0))


def test_a_machine_that_moved_is_told_at_once_before_anything_is_planned_anew(kept, publisher):
    publisher.tick(clocks(0), plan(target()))
    publisher.tick(clocks(1), plan(target()), moved=True)
    assert kept.records[1].status is Status.DISRUPTED
    assert kept.records[1].bound_ns > 10**18


def test_when_the_clock_was_set_the_next_publication_is_a_whole_one(kept, publisher):
    standing = plan(target())
    publisher.tick(clocks(SECOND), standing)
    assert publisher.renew(SECOND + 1, 0, standing)
    publisher.hurry()
    assert not publisher.renew(SECOND + 2, 0, standing)
    publisher.tick(clocks(SECOND + 2), standing)
    assert publisher.renew(SECOND + 3, 0, standing)


def test_a_silence_in_which_readers_had_no_time_is_told_afterwards(publisher, caplog):
    caplog.set_level(logging.WARNING, "chronotick.daemon")
    for second in (1, 2, 4, 34):
        publisher.tick(clocks(second * SECOND), plan(target()))
    (record,) = caplog.records
    assert "nothing was published for 30.0 s" in record.getMessage()
