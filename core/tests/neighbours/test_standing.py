from __future__ import annotations

import logging

import pytest

from chronotick.neighbours.standing import Standing, StandingLog, leap_of
from chronotick.shm.layout import Flags, Status
from chronotick.shm.record import Record
from chronotick.shm.testing import good_record


@pytest.mark.parametrize("status", [Status.SYNCHRONISED, Status.HOLDOVER])
def test_a_synchronised_clock_and_one_in_holdover_are_vouched_for(publish, standing, status):
    published = publish(status=status)
    assert standing() == Standing(published, status)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.WARMING_UP, "warming up"),
        (Status.DISRUPTED, "disrupted"),
        (Status.UNKNOWN, "no measurement yet"),
    ],
)
def test_any_other_status_is_not(publish, standing, status, reason):
    publish(status=status)
    assert standing().record is None
    assert standing().status is status
    assert reason in standing().reason


def test_without_a_daemon_nobody_vouches(standing):
    assert standing().record is None
    assert "no such file" in standing().reason


def test_a_stale_record_is_not_vouched_for(publish, standing):
    raw_ns = good_record().anchor_raw_ns - 10_000_000_000
    publish(anchor_raw_ns=raw_ns, void_after_raw_ns=raw_ns + 1)
    assert standing().record is None
    assert "died or hangs" in standing().reason


def test_after_a_suspend_the_record_before_is_not_vouched_for(publish, standing):
    publish(suspended_ns=good_record().suspended_ns - 1_000_000_000)
    assert standing().status is Status.DISRUPTED
    assert standing().record is None


def test_a_daemon_that_comes_later_and_one_that_comes_back_are_found(publish, standing, path):
    assert standing().record is None
    publish()
    assert standing().record is not None
    path.unlink()
    publish(status=Status.UNKNOWN)
    assert standing().record is None


@pytest.mark.parametrize(
    ("flags", "leap"), [(0, 0), (Flags.LEAP_INSERT, 1), (Flags.LEAP_DELETE, 2), (Flags.VALID, 0)]
)
def test_the_announced_leap_second(flags, leap):
    assert leap_of(Record(flags=Flags(flags))) == leap


def test_each_change_is_said_once(caplog):
    caplog.set_level(logging.INFO, "chronotick.neighbours")
    said = StandingLog()
    absent, good = Standing(None, Status.UNKNOWN, "gone"), Standing(Record(), Status.SYNCHRONISED)
    for standing in (absent, absent, good, good, absent):
        said.observe(standing)
    assert [record.message for record in caplog.records] == [
        "no time is handed on (unknown): gone",
        "time is handed on: synchronised",
        "no time is handed on (unknown): gone",
    ]
