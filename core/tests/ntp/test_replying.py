"""What every NTP server here needs; requests, kisses and delays are tested with the lab's."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest

from chronotick.ntp.measurement import Stamps
from chronotick.ntp.replying import (
    DATAGRAMS_PER_WAKE,
    OLDEST_STAMP_NS,
    Departure,
    kernel_arrival_ns,
    take_datagrams,
)
from chronotick.ntp.timestamps import Received, enable_kernel_stamps, raw_now_ns


def received_now() -> Received:
    return Received(b"", None, raw_now_ns(), time.time_ns())


def test_a_kernel_stamp_is_carried_over_to_raw():
    received = received_now()
    arrived_ns = kernel_arrival_ns(received)
    assert arrived_ns is not None
    assert abs(arrived_ns - received.raw_ns) < OLDEST_STAMP_NS


def test_without_a_stamp_there_is_no_arrival():
    assert kernel_arrival_ns(replace(received_now(), kernel_ns=None)) is None


@pytest.mark.parametrize("step_ns", [-2 * OLDEST_STAMP_NS, 2 * OLDEST_STAMP_NS])
def test_a_stamp_from_before_a_step_of_the_system_clock_is_not_used(step_ns):
    received = received_now()
    stamp_ns = (received.kernel_ns or 0) + step_ns
    assert kernel_arrival_ns(replace(received, kernel_ns=stamp_ns)) is None


def test_the_shortest_of_the_recent_departures_is_expected():
    departure = Departure()
    assert departure.expected_ns() == 0
    departure.samples_ns.extend([900, *[500] * 14, 700])
    assert departure.expected_ns() == 500


def test_departures_are_learnt_from_the_kernels_stamps():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)
        sock.bind(("127.0.0.1", 0))
        if enable_kernel_stamps(sock) is not Stamps.KERNEL:
            pytest.skip("this kernel stamps no transmissions")
        departure, read_ns = Departure(), raw_now_ns()
        sock.sendto(b"", sock.getsockname())
        departure.learn(sock, read_ns)
        assert len(departure.samples_ns) == 1
        assert 0 <= departure.expected_ns() <= raw_now_ns() - read_ns


def test_datagrams_are_taken_in_order_and_not_too_many_at_once():
    sent = [bytes([number]) for number in range(DATAGRAMS_PER_WAKE + 1)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)
        sock.bind(("127.0.0.1", 0))
        for data in sent:
            sock.sendto(data, sock.getsockname())
        taken: list[Received] = []
        for counted in (DATAGRAMS_PER_WAKE, len(sent), len(sent)):
            take_datagrams(sock, taken.append)
            assert [received.data for received in taken] == sent[:counted]
