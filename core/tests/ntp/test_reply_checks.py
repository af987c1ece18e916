from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.checks import Drop, ReplyDroppedError, check_reply, check_times
from chronotick.ntp.packet import Packet, ns_to_short, reference_id_of

ORIGIN = 0x0123_4567_89AB_CDEF
REQUEST = Packet(transmit_timestamp=ORIGIN)
SECOND = 1_000_000_000
Honest = Callable[..., Packet]


def rejection(data: bytes, previous_transmit: int | None = None) -> ReplyDroppedError:
    with pytest.raises(ReplyDroppedError) as caught:
        check_reply(data, origin=ORIGIN, previous_transmit=previous_transmit)
    return caught.value


def test_an_honest_reply_passes(honest: Honest) -> None:
    reply = honest(REQUEST)
    assert check_reply(reply.pack(), origin=ORIGIN, previous_transmit=1) == reply


def test_extension_fields_are_not_in_the_way(honest: Honest) -> None:
    reply = honest(REQUEST)
    data = reply.pack() + bytes(20)
    assert check_reply(data, origin=ORIGIN, previous_transmit=None) == reply


def test_version_3_servers_are_accepted(honest: Honest) -> None:
    check_reply(honest(REQUEST, version=3).pack(), origin=ORIGIN, previous_transmit=None)


@pytest.mark.parametrize(
    ("changes", "drop"),
    [
        ({"mode": 3}, Drop.MODE),
        ({"mode": 5}, Drop.MODE),
        ({"mode": 6}, Drop.MODE),
        ({"version": 2}, Drop.VERSION),
        ({"version": 7}, Drop.VERSION),
        ({"origin_timestamp": ORIGIN ^ 1}, Drop.ORIGIN),
        ({"origin_timestamp": 0}, Drop.ORIGIN),
        ({"leap": 3}, Drop.UNSYNCHRONISED),
        ({"stratum": 16}, Drop.STRATUM),
        ({"stratum": 255}, Drop.STRATUM),
        ({"stratum": 0, "reference_id": 0}, Drop.STRATUM),
        ({"receive_timestamp": 0}, Drop.ZERO_TIMESTAMP),
        ({"transmit_timestamp": 0}, Drop.ZERO_TIMESTAMP),
        ({"root_dispersion": ns_to_short(16 * SECOND)}, Drop.ROOT_DISTANCE),
        ({"root_delay": ns_to_short(32 * SECOND)}, Drop.ROOT_DISTANCE),
        ({"precision": 5}, Drop.ROOT_DISTANCE),
    ],
)
def test_a_bad_field_has_its_own_reason(
    honest: Honest, changes: dict[str, int], drop: Drop
) -> None:
    found = rejection(honest(REQUEST, **changes).pack())
    assert found.drop is drop
    assert found.genuine is (drop not in {Drop.MODE, Drop.VERSION, Drop.ORIGIN})


@pytest.mark.parametrize("length", [0, 1, 47, 49])
def test_a_truncated_reply_is_dropped(honest: Honest, length: int) -> None:
    data = (honest(REQUEST).pack() + bytes(4))[:length]
    assert rejection(data).drop is Drop.TRUNCATED


def test_a_repeated_reply_is_told_from_a_wrong_origin(honest: Honest) -> None:
    earlier = honest(Packet(transmit_timestamp=99))
    repeated = rejection(earlier.pack(), earlier.transmit_timestamp)
    assert (repeated.drop, repeated.genuine) == (Drop.DUPLICATE, False)
    assert rejection(earlier.pack(), None).drop is Drop.ORIGIN


@pytest.mark.parametrize("code", ["RATE", "DENY", "RSTR"])
def test_a_kiss_needs_our_origin_and_nothing_else(honest: Honest, code: str) -> None:
    word = int.from_bytes(code.encode(), "big")
    kiss = {"leap": 3, "stratum": 0, "reference_id": word, "receive_timestamp": 0}
    found = rejection(honest(REQUEST, **kiss).pack())
    assert (found.drop, found.kiss, found.genuine) == (Drop.KISS, code, True)
    assert code in str(found)
    forged = rejection(honest(REQUEST, **kiss, origin_timestamp=1).pack())
    assert (forged.drop, forged.kiss, forged.genuine) == (Drop.ORIGIN, None, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"stratum": 15, "reference_id": 7},
        {"root_dispersion": ns_to_short(16 * SECOND) - 1},
        {"root_delay": ns_to_short(16 * SECOND), "root_dispersion": ns_to_short(7 * SECOND)},
        {"precision": 3},
    ],
)
def test_the_worst_that_is_accepted(honest: Honest, changes: dict[str, int]) -> None:
    check_reply(honest(REQUEST, **changes).pack(), origin=ORIGIN, previous_transmit=None)


def test_the_precision_counts_as_an_error_of_the_server(honest: Honest) -> None:
    """With half the root delay and the root dispersion it is 16 s here, to the nanosecond."""
    worst = honest(REQUEST, root_delay=128, root_dispersion=1_048_448, precision=-10)
    assert rejection(worst.pack()).drop is Drop.ROOT_DISTANCE


@given(st.binary(max_size=100))
def test_random_bytes_are_dropped_and_never_crash(data: bytes) -> None:
    assert not rejection(data).genuine


@given(st.binary(min_size=24, max_size=24), st.binary(min_size=16, max_size=16))
def test_random_fields_around_our_origin_pass_or_are_dropped(head: bytes, tail: bytes) -> None:
    data = head + ORIGIN.to_bytes(8, "big") + tail
    verdict = judge(data)
    if isinstance(verdict, Packet):
        assert 0 < verdict.stratum < 16
    else:
        assert verdict not in {Drop.TRUNCATED, Drop.ORIGIN}


def judge(data: bytes) -> Packet | Drop:
    try:
        return check_reply(data, origin=ORIGIN, previous_transmit=None)
    except ReplyDroppedError as dropped:
        return dropped.drop


def delay(round_trip_ns: int, hold_ns: int, *, precision_ns: int = 100) -> int:
    return check_times(
        round_trip_ns=round_trip_ns,
        hold_ns=hold_ns,
        precision_ns=precision_ns,
        max_delay_ns=SECOND,
    )


def test_the_delay_is_the_round_trip_without_the_hold_time() -> None:
    assert delay(10_000, 4_000) == 6_000


def test_the_delay_is_never_below_the_precision() -> None:
    assert delay(10_000, 9_999) == 100
    assert delay(10_000, 10_050) == 100


@pytest.mark.parametrize(
    ("round_trip_ns", "hold_ns"), [(10_000, 11_000), (10_000, -101), (10 * SECOND, 5 * SECOND)]
)
def test_an_implausible_hold_time_is_dropped(round_trip_ns: int, hold_ns: int) -> None:
    with pytest.raises(ReplyDroppedError) as caught:
        delay(round_trip_ns, hold_ns)
    assert caught.value.drop is Drop.HOLD_TIME


def test_the_longest_times_that_are_accepted() -> None:
    assert delay(SECOND, 0) == SECOND
    assert delay(10_000, -100) == 10_100
    assert delay(1_000_000, 1_000_000 + 1_000 + 100) == 100
    assert delay(4 * SECOND + 200, 4 * SECOND) == 200
    with pytest.raises(ReplyDroppedError):
        delay(1_000_000, 1_000_000 + 1_000 + 101)
    with pytest.raises(ReplyDroppedError):
        delay(4 * SECOND + 200, 4 * SECOND + 1)


def test_a_long_delay_is_dropped() -> None:
    with pytest.raises(ReplyDroppedError) as caught:
        delay(SECOND + 1, 0)
    assert caught.value.drop is Drop.DELAY


def test_every_drop_is_explained() -> None:
    assert all(drop.words for drop in Drop)
    assert len({drop.value for drop in Drop}) == len(Drop)


def test_a_server_that_follows_this_host_is_no_source(honest):
    ours = reference_id_of("192.0.2.7")
    loop = honest(REQUEST, stratum=2, reference_id=ours).pack()
    with pytest.raises(ReplyDroppedError) as caught:
        check_reply(loop, origin=ORIGIN, previous_transmit=None, ours=ours)
    assert caught.value.drop is Drop.LOOP
    assert check_reply(loop, origin=ORIGIN, previous_transmit=None, ours=None)
    first = honest(REQUEST, stratum=1, reference_id=ours).pack()  # there it is a name
    assert check_reply(first, origin=ORIGIN, previous_transmit=None, ours=ours)
