"""chronyd's monitoring protocol, against bytes that a chronyd 4.3 has sent."""

from __future__ import annotations

import dataclasses
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.cmdmon import (
    FLOAT_RESOLUTION,
    REPLY_BYTES,
    CmdmonDrop,
    CmdmonDroppedError,
    Tracking,
    check_synchronised,
    float_of,
    read_tracking,
    tracking_request,
)

SEQUENCE = 0x12345678
# From a `chronyd -x` that followed another one on loopback; `chronyc tracking` told of the same
# update: last offset -0.000000037, RMS offset 0.000000195, residual frequency -0.000 ppm, skew
# 0.033 ppm, root delay 0.000005795, update interval 1.0, leap status normal, stratum 2.
RECORDED = bytes.fromhex(
    "060200000021000500000000000000001234567800000000000000007f0000017f00000100000000000000000000"
    "00000001000000020000000000006b0d43733638b306dd3376d0d35f8b56d6d1deedf150adafed11a126fa887b7d"
    "e0c272acdcb8a462048027ea"
)


def recorded(**changes: float) -> Tracking:
    return dataclasses.replace(read_tracking(RECORDED, SEQUENCE), **changes)


def patched(at: int, form: str, value: int) -> bytes:
    data = bytearray(RECORDED)
    struct.pack_into(form, data, at, value)
    return bytes(data)


def dropped(data: bytes) -> CmdmonDroppedError:
    with pytest.raises(CmdmonDroppedError) as caught:
        read_tracking(data, SEQUENCE)
    return caught.value


def test_a_request_is_as_long_as_its_reply() -> None:
    """chronyd drops shorter ones, and answers longer ones than it knows with nothing."""
    request = tracking_request(SEQUENCE)
    assert len(request) == REPLY_BYTES == len(RECORDED) == 104
    assert request[:20].hex() == "06010000002100001234567800000000" + "00000000"
    assert not any(request[20:])


def test_a_recorded_reply_says_what_chronyc_said() -> None:
    tracking = recorded()
    assert (tracking.stratum, tracking.leap) == (2, 0)
    assert tracking.reference_id == 0x7F000001
    assert tracking.last_offset_s == pytest.approx(-37e-9, abs=0.5e-9)
    assert tracking.rms_offset_s == pytest.approx(195e-9, abs=0.5e-9)
    assert tracking.skew == pytest.approx(0.033e-6, abs=0.5e-9)
    assert tracking.root_delay_s == pytest.approx(5.795e-6, abs=0.5e-9)
    assert tracking.update_interval_s == pytest.approx(1.0, abs=0.05)
    assert -2e-6 < tracking.correction_s < 0  # "fast of NTP time"
    assert 0 < tracking.root_dispersion_s < 2e-6
    assert tracking.reference_unix_ns // 10**9 == 0x6B0D4373


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0x0000_0000, 0.0),
        (0x0280_0000, 0.5),
        (0x0480_0000, 1.0),
        (0x0580_0000, -1.0),
        (0x0500_0000, -2.0),
        (0xFC80_0000, 2.0**-4),
        (0x7EFF_FFFF, 2.0**38 * (2**24 - 1)),
        (0x8000_0001, 2.0**-89),
    ],
)
def test_numbers_are_seven_bits_of_exponent_and_twenty_five_of_coefficient(
    word: int, value: float
) -> None:
    assert float_of(word) == value


@given(st.integers(1 << 23, (1 << 24) - 2), st.integers(0, 127))
def test_neighbouring_numbers_are_within_the_stated_resolution(
    coefficient: int, exponent: int
) -> None:
    below, above = (float_of(exponent << 25 | each) for each in (coefficient, coefficient + 1))
    assert 0 < above - below <= FLOAT_RESOLUTION * below


def test_seconds_of_32_bits_are_understood() -> None:
    short = read_tracking(patched(56, "!I", 0x7FFF_FFFF), SEQUENCE)
    assert short.reference_unix_ns == recorded().reference_unix_ns


@pytest.mark.parametrize(
    ("data", "drop", "genuine"),
    [
        (b"", CmdmonDrop.FORM, False),
        (RECORDED[:27], CmdmonDrop.FORM, False),
        (tracking_request(SEQUENCE), CmdmonDrop.FORM, False),
        (patched(16, "!I", 1), CmdmonDrop.ORIGIN, False),
        (patched(0, "!B", 5), CmdmonDrop.VERSION, True),
        (patched(4, "!H", 14), CmdmonDrop.COMMAND, True),
        (patched(6, "!H", 1), CmdmonDrop.COMMAND, True),
        (patched(8, "!H", 2), CmdmonDrop.STATUS, True),
        (RECORDED[:28], CmdmonDrop.FORM, True),
        (RECORDED[:-1], CmdmonDrop.FORM, True),
        (patched(92, "!I", 0x0580_0000), CmdmonDrop.FORM, True),
        (patched(96, "!I", 0x0580_0000), CmdmonDrop.FORM, True),
    ],
    ids=lambda value: value.name if isinstance(value, CmdmonDrop) else "",
)
def test_anything_but_the_answer_to_our_question_is_dropped_with_a_reason(
    data: bytes, drop: CmdmonDrop, genuine: bool
) -> None:
    error = dropped(data)
    assert (error.drop, error.genuine) == (drop, genuine)
    assert str(error).startswith(drop.words)


def test_a_refusal_says_which() -> None:
    assert str(dropped(patched(8, "!H", 2))).endswith("status 2, not authorised")
    assert "status 99" in str(dropped(patched(8, "!H", 99)))


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    for each in (data, RECORDED[: len(data)] + data, RECORDED[:28] + data):
        try:
            tracking = read_tracking(each, SEQUENCE)
        except CmdmonDroppedError:
            continue
        assert tracking.root_dispersion_s >= 0


@pytest.mark.parametrize(
    ("changes", "drop"),
    [
        ({"leap": 3}, CmdmonDrop.UNSYNCHRONISED),
        ({"stratum": 0}, CmdmonDrop.UNSYNCHRONISED),
        ({"stratum": 16}, CmdmonDrop.UNSYNCHRONISED),
        ({"reference_id": 0}, CmdmonDrop.UNSYNCHRONISED),
        ({"reference_id": 0x7F7F0101}, CmdmonDrop.LOCAL),
    ],
)
def test_a_chronyd_that_follows_nothing_is_not_believed(
    changes: dict[str, float], drop: CmdmonDrop
) -> None:
    check_synchronised(recorded())
    with pytest.raises(CmdmonDroppedError) as caught:
        check_synchronised(recorded(**changes))
    assert caught.value.drop is drop
