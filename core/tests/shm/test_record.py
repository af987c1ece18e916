from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chronotick.shm.layout import BODY_FORMAT, FIELDS, SIZE, Flags, Source, Status
from chronotick.shm.now import Now
from chronotick.shm.record import (
    MAX_AGE_NS,
    MAX_UTC_NS,
    MAX_WIDTH_NS,
    SUSPEND_TOLERANCE_NS,
    Record,
    bound_at,
    continued,
    implausible,
    interval_at,
    is_void,
    pack,
    sigma_at,
    time_at,
    unpack,
)
from chronotick.shm.testing import good_record, packed_body

I64 = st.integers(-(2**63), 2**63 - 1)
U32 = st.integers(0, 2**32 - 1)
RECORDS = st.builds(
    Record,
    anchor_raw_ns=I64,
    anchor_utc_ns=st.integers(-MAX_UTC_NS, MAX_UTC_NS),
    rate=st.floats(-0.5, 0.5),
    bound_ns=st.integers(0, MAX_WIDTH_NS),
    bound_rate=st.floats(0, 1),
    sigma_ns=st.integers(0, MAX_WIDTH_NS),
    sigma_rate=st.floats(0, 1),
    void_after_raw_ns=I64,
    status=st.sampled_from(Status),
    flags=st.integers(0, 255).map(Flags),
    system_minus_utc_ns=I64,
    suspended_ns=I64,
    last_sync_raw_ns=I64,
    measurements=U32,
    confidence=st.integers(0, 65535).map(lambda value: value / 65535),
    source=st.sampled_from(Source),
    tai_minus_utc=st.integers(0, 255),
    epoch=U32,
)
AGES = st.integers(0, MAX_AGE_NS)


def test_the_fields_fill_the_record_without_gap_and_lie_aligned():
    import struct

    end = 0
    for field in FIELDS:
        assert field.offset == end
        assert field.offset % struct.calcsize(field.format) == 0
        end += struct.calcsize(field.format)
    assert end == SIZE
    assert struct.calcsize(BODY_FORMAT) == 112


def test_the_daemon_may_round_what_was_slept_to_ten_milliseconds():
    assert SUSPEND_TOLERANCE_NS == 10_000_000


@given(RECORDS)
def test_what_is_packed_is_unpacked(record: Record):
    assert unpack(pack(record)) == record


@given(st.binary(min_size=112, max_size=112), I64)
def test_every_byte_pattern_gives_a_record_that_can_be_computed_with(body: bytes, raw_ns: int):
    record = unpack(body)
    assert implausible(record) == ""
    if not is_void(record, raw_ns):
        now = interval_at(record, raw_ns)
        assert -(2**63) <= now.earliest_ns <= now.estimate_ns <= now.latest_ns < 2**63


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rate": math.nan}, "rate"),
        ({"rate": -math.inf}, "rate"),
        ({"bound_rate": math.nan}, "bound_rate"),
        ({"bound_rate": -1e-9}, "bound_rate"),
        ({"sigma_rate": math.inf}, "sigma_rate"),
        ({"bound_ns": -1}, "bound_ns"),
        ({"sigma_ns": MAX_WIDTH_NS + 1}, "sigma_ns"),
        ({"anchor_utc_ns": MAX_UTC_NS + 1}, "anchor_utc_ns"),
        ({"confidence": 1.01}, "confidence"),
        ({"confidence": math.nan}, "confidence"),
    ],
)
def test_a_record_no_reader_would_accept_is_not_packed(change: dict[str, float], named: str):
    with pytest.raises(ValueError, match=f"not publishable: {named} "):
        pack(replace(good_record(), **change))


@pytest.mark.parametrize(
    "extreme",
    [
        {"rate": -0.5, "bound_rate": 1.0, "sigma_rate": 0.0, "confidence": 1.0},
        {"rate": 0.5, "bound_rate": 0.0, "sigma_rate": 1.0, "confidence": 0.0},
        {"bound_ns": MAX_WIDTH_NS, "sigma_ns": 0, "anchor_utc_ns": MAX_UTC_NS},
        {"bound_ns": 0, "sigma_ns": MAX_WIDTH_NS, "anchor_utc_ns": -MAX_UTC_NS},
    ],
)
def test_the_most_extreme_record_that_readers_accept(extreme: dict[str, float]):
    record = replace(good_record(), **{"confidence": 0.0} | extreme)
    assert implausible(record) == ""
    assert unpack(pack(record)) == record


@pytest.mark.parametrize(
    "beyond",
    [
        {"rate": 0.501},
        {"bound_rate": 1.001},
        {"sigma_rate": 1.001},
        {"bound_ns": 2**61 + 1},
        {"anchor_utc_ns": -(2**62) - 1},
        {"confidence": -0.01},
    ],
)
def test_the_least_that_is_too_much(beyond: dict[str, float]):
    assert next(iter(beyond)) in implausible(replace(good_record(), **beyond))


def test_a_record_that_was_not_given_anything_says_nothing():
    """About no instant, of no kind: every number is 0, but for the end, which is before any."""
    nothing = dataclasses.asdict(Record())
    assert nothing.pop("void_after_raw_ns") == -1
    assert set(nothing.values()) == {0}


@pytest.mark.parametrize(
    "change", [{"measurements": 2**32}, {"epoch": -1}, {"suspended_ns": 2**63}]
)
def test_a_value_too_large_for_its_field_is_said(change: dict[str, int]):
    with pytest.raises(ValueError, match="not publishable"):
        pack(replace(good_record(), **change))


@pytest.mark.parametrize(
    "damage",
    [{"rate": math.nan}, {"bound_rate": -1.0}, {"sigma_ns": -5}, {"anchor_utc_ns": 2**63 - 1}],
)
def test_a_damaged_record_says_nothing(damage: dict[str, float]):
    body = packed_body(void_after_raw_ns=2**62, status=Status.SYNCHRONISED, **damage)
    assert unpack(body) == Record()
    assert is_void(unpack(body), 1)


def test_a_status_or_source_from_the_future_is_unknown_or_none():
    record = unpack(packed_body(status=77, source=200, flags=1 << 30))
    assert (record.status, record.source) == (Status.UNKNOWN, Source.NONE)


@given(RECORDS, AGES)
def test_time_is_the_documented_line_rounded_toward_the_unscaled_clock(record: Record, age: int):
    exact = record.anchor_utc_ns + age + age * Fraction(record.rate)
    rounding = Fraction(age, 2**52) + 1  # of the float product, and of cutting it
    assert abs(time_at(record, record.anchor_raw_ns + age) - exact) <= rounding


@given(RECORDS, AGES, st.integers(1, 10**12))
def test_time_does_not_step_back_and_bounds_do_not_shrink_with_age(
    record: Record, age: int, later: int
):
    before, after = record.anchor_raw_ns + age, record.anchor_raw_ns + age + later
    assert time_at(record, after) >= time_at(record, before)
    assert bound_at(record, after) >= bound_at(record, before) >= record.bound_ns
    assert sigma_at(record, after) >= sigma_at(record, before) >= record.sigma_ns


@given(RECORDS, st.integers(1, 10**9))
def test_bounds_before_the_anchor_are_those_at_the_anchor(record: Record, earlier: int):
    assert bound_at(record, record.anchor_raw_ns - earlier) == record.bound_ns
    assert sigma_at(record, record.anchor_raw_ns - earlier) == record.sigma_ns


def test_a_record_is_void_outside_its_time():
    record = replace(good_record(), anchor_raw_ns=1000, void_after_raw_ns=2000)
    assert [is_void(record, raw) for raw in (999, 1000, 2000, 2001)] == [True, False, False, True]


def test_a_record_is_void_past_the_age_that_float64_holds():
    record = replace(good_record(), anchor_raw_ns=0, void_after_raw_ns=2**62)
    assert not is_void(record, MAX_AGE_NS)
    assert is_void(record, MAX_AGE_NS + 1)


@given(RECORDS, RECORDS, st.integers(0, 10**10))
def test_a_continuation_never_steps_back_and_pays_for_it_in_the_bound(
    previous: Record, record: Record, age: int
):
    """The estimate may lie below what was served; readers must not see that as a step back."""
    assume(abs(previous.anchor_utc_ns - record.anchor_utc_ns) < 2**60)
    record = replace(record, anchor_raw_ns=previous.anchor_raw_ns, bound_ns=record.bound_ns // 4)
    raw_ns = previous.anchor_raw_ns + age
    moved = continued(record, previous, raw_ns)
    served, estimated = time_at(previous, raw_ns), time_at(record, raw_ns)
    assert moved.anchor_raw_ns == raw_ns
    assert time_at(moved, raw_ns) == max(served, estimated)
    assert moved.bound_ns - bound_at(record, raw_ns) == max(0, served - estimated)
    assert moved.anchor_utc_ns + moved.system_minus_utc_ns == (
        estimated + record.system_minus_utc_ns
    )


def test_a_continuation_is_no_wider_than_readers_accept():
    wide = replace(good_record(), bound_ns=MAX_WIDTH_NS, sigma_ns=MAX_WIDTH_NS, sigma_rate=0.5)
    ahead = replace(wide, anchor_utc_ns=wide.anchor_utc_ns + 1000)
    moved = continued(wide, ahead, wide.anchor_raw_ns + 1000)
    assert (moved.bound_ns, moved.sigma_ns) == (MAX_WIDTH_NS, MAX_WIDTH_NS)


@given(st.integers(-(2**62), 2**62), st.integers(0, 2**61))
def test_seconds_of_an_interval_contain_its_nanoseconds(estimate: int, width: int):
    now = Now(estimate - width, estimate + width, estimate, 5, Status.SYNCHRONISED)
    assert Fraction(now.earliest) * 10**9 <= now.earliest_ns
    assert Fraction(now.latest) * 10**9 >= now.latest_ns
    assert Fraction(math.nextafter(now.earliest, math.inf)) * 10**9 > now.earliest_ns
    assert Fraction(math.nextafter(now.latest, -math.inf)) * 10**9 < now.latest_ns
    assert now.estimate == estimate / 1e9
    assert now.sigma == 5e-9


def test_an_interval_hashes_as_the_tuple_it_equals():
    now = Now(1, 3, 2, 1, Status.HOLDOVER)
    assert now == (1, 3, 2, 1, Status.HOLDOVER)
    assert hash(now) == hash((1, 3, 2, 1, Status.HOLDOVER))
