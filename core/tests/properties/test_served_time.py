"""Served time never steps back within an epoch, whatever plans come."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chronotick.clock import HostClocks
from chronotick.daemon.publisher import Description, Plan, Publisher
from chronotick.daemon.steering import Steering
from chronotick.daemon.timekeeper import Target
from chronotick.fusion import Fused
from chronotick.shm.layout import Flags, Source, Status
from chronotick.shm.record import (
    SERVING,
    Record,
    bound_at,
    continued,
    implausible,
    interval_at,
    is_void,
    time_at,
)

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND


@dataclass
class Continuing:
    """A writer that continues records as the real one does, at the publisher's own instants."""

    records: list[Record]

    def write(self, record: Record) -> Record:
        last = self.records[-1] if self.records else None
        if (
            last is not None
            and last.epoch == record.epoch
            and {last.status, record.status} <= {*SERVING}
        ):
            record = continued(record, last, record.anchor_raw_ns)
        self.records.append(record)
        return record

    def renew(self, validity_ns: int) -> None:
        raise AssertionError

    def ensure_in_place(self) -> bool:
        return False


@dataclass(frozen=True)
class Tick:
    """What happens before a publication."""

    passed_ns: int
    beyond_ns: int
    rate: float
    bound_ns: int
    status: Status
    generation: int
    has_target: bool
    slept_ns: int


ticks = st.lists(
    st.builds(
        Tick,
        passed_ns=st.integers(1, 4 * SECOND),
        beyond_ns=st.integers(-(10**9), 10**9) | st.integers(-1000, 1000),
        rate=st.floats(-5e-4, 5e-4),
        bound_ns=st.integers(0, 10**9),
        status=st.sampled_from(Status),
        generation=st.integers(0, 1),
        has_target=st.sampled_from([True, True, True, False]),
        slept_ns=st.sampled_from([0, 0, 0, SECOND]),
    ),
    min_size=2,
    max_size=30,
)


def published(moves: list[Tick]) -> list[Record]:
    writer = Continuing([])
    publisher = Publisher(writer, Steering(500e-6, SECOND // 4), 3 * SECOND, epoch=2**32 - 2)
    raw_ns, suspended_ns = SECOND, 0
    for move in moves:
        raw_ns += move.passed_ns
        planned_ns, suspended_ns = suspended_ns, suspended_ns + move.slept_ns
        clocks = HostClocks(raw_ns, BASE + raw_ns, suspended_ns)
        publisher.tick(clocks, planned(move, raw_ns, planned_ns))
    return writer.records


def planned(move: Tick, raw_ns: int, suspended_ns: int) -> Plan:
    offset_ns = BASE + move.beyond_ns
    target = Target(
        raw_ns=raw_ns - move.passed_ns // 2,
        offset_ns=offset_ns,
        rate=move.rate,
        sigma_ns=100,
        sigma_rate=1e-8,
        low_ns=offset_ns - move.bound_ns,
        high_ns=offset_ns + move.bound_ns,
        low_rate=move.rate - 1e-6,
        high_rate=move.rate + 1e-6,
        fused=Fused(raw_ns=raw_ns, offset_ns=offset_ns, sigma_s=1e-7, members=()),
    )
    about = Description(
        status=move.status,
        flags=Flags.VALID,
        source=Source.NTP,
        confidence=0.9,
        last_sync_raw_ns=0,
        measurements=5,
    )
    return Plan(raw_ns, target if move.has_target else None, about, suspended_ns, move.generation)


@given(ticks)
def test_served_time_is_monotone_within_an_epoch_whatever_plans_come(moves: list[Tick]) -> None:
    for before, after in pairwise(published(moves)):
        both = before.status in SERVING and after.status in SERVING
        if not both or before.epoch != after.epoch:
            continue
        assert after.anchor_utc_ns >= time_at(before, after.anchor_raw_ns)
        assert after.anchor_utc_ns > before.anchor_utc_ns


@given(ticks, st.integers(0, 3 * SECOND), st.integers(0, SECOND))
def test_the_bound_of_every_record_only_grows(
    moves: list[Tick], age_ns: int, later_ns: int
) -> None:
    for record in published(moves):
        assert not implausible(record)
        early, late = record.anchor_raw_ns + age_ns, record.anchor_raw_ns + age_ns + later_ns
        assert bound_at(record, early) <= bound_at(record, late)
        if not is_void(record, early):
            now = interval_at(record, early)
            assert now.earliest_ns <= now.estimate_ns <= now.latest_ns


@given(ticks)
def test_the_served_interval_reaches_over_the_limits_of_the_plan(moves: list[Tick]) -> None:
    for move, record in zip(moves, published(moves), strict=True):
        target = planned(move, record.anchor_raw_ns, 0).target
        if target is None or move.slept_ns:
            continue
        age_ns = record.anchor_raw_ns - target.raw_ns
        low_ns = record.anchor_raw_ns + target.low_ns + math.ceil(target.low_rate * age_ns)
        high_ns = record.anchor_raw_ns + target.high_ns + math.floor(target.high_rate * age_ns)
        assert record.anchor_utc_ns - record.bound_ns <= low_ns
        assert high_ns <= record.anchor_utc_ns + record.bound_ns
