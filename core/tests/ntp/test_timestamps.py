from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.measurement import Stamps
from chronotick.ntp.timestamps import (
    STAMP_PRECISION_NS,
    ClockPair,
    ClockSteppedError,
    RawScale,
    enable_kernel_stamps,
    read_pair,
    receive,
    stamping_kept_on,
    transmit_stamp,
)

MS = 1_000_000
START = ClockPair(realtime_ns=1_800_000_000_000_000_000, raw_ns=5_000_000_000, window_ns=300)


def pair_after(raw_elapsed_ns: int, moved_ns: int, window_ns: int = 300) -> ClockPair:
    return ClockPair(
        START.realtime_ns + raw_elapsed_ns + moved_ns, START.raw_ns + raw_elapsed_ns, window_ns
    )


@given(st.integers(MS, 3000 * MS), st.floats(-9e-4, 9e-4), st.floats(0, 1))
def test_a_steady_slew_is_converted_exactly(elapsed_ns: int, slew: float, part: float) -> None:
    moved_ns = round(elapsed_ns * slew)
    scale = RawScale(START, pair_after(elapsed_ns, moved_ns))
    scale.check()
    raw_since_ns = round(elapsed_ns * part)
    stamp_ns = START.realtime_ns + raw_since_ns + round(moved_ns * part)
    assert abs(scale.to_raw_ns(stamp_ns) - (START.raw_ns + raw_since_ns)) <= 2


@given(st.integers(MS, 100 * MS), st.floats(0, 1), st.floats(0, 1), st.integers(-1000, 1000))
def test_the_uncertainty_covers_a_change_at_any_moment(
    elapsed_ns: int, when: float, part: float, moved_ns: int
) -> None:
    """The clock moves all at once at `when`: worse than any slew that moves it as far."""
    scale = RawScale(START, pair_after(elapsed_ns, moved_ns))
    raw_since_ns = round(elapsed_ns * part)
    stamp_ns = START.realtime_ns + raw_since_ns + (moved_ns if part > when else 0)
    error_ns = scale.to_raw_ns(stamp_ns) - (START.raw_ns + raw_since_ns)
    assert abs(error_ns) <= scale.uncertainty_ns + 1


@pytest.mark.parametrize("step_ns", [-3_600_000 * MS, -MS, MS, 3_600_000 * MS])
def test_a_step_is_noticed(step_ns: int) -> None:
    scale = RawScale(START, pair_after(20 * MS, step_ns))
    with pytest.raises(ClockSteppedError, match="stepped by") as caught:
        scale.check()
    assert caught.value.step_ns == step_ns


def test_an_interrupted_reading_of_the_clocks_is_no_step() -> None:
    RawScale(START, pair_after(MS, 400_000, window_ns=800_000)).check()


def test_a_suspended_machine_counts_as_a_step() -> None:
    """CLOCK_MONOTONIC_RAW stands still during suspend, the system clock does not."""
    with pytest.raises(ClockSteppedError):
        RawScale(START, pair_after(20 * MS, 600_000 * MS)).check()


def test_pairs_are_read_from_both_clocks() -> None:
    first, second = read_pair(), read_pair()
    assert second.raw_ns > first.raw_ns
    assert first.window_ns > 0
    assert abs(first.realtime_ns - time.time_ns()) < 3_600_000 * MS


def test_worse_stamps_are_less_precise() -> None:
    kernel, receive_only, user = (
        STAMP_PRECISION_NS[kind] for kind in (Stamps.KERNEL, Stamps.KERNEL_RX, Stamps.USER)
    )
    assert kernel < receive_only < user


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A server socket, and a client connected to it."""
    with (
        stamping_kept_on(),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        client.connect(server.getsockname())
        client.settimeout(0)
        yield server, client


def send_to(server: socket.socket, client: socket.socket) -> None:
    server.sendto(b"reply", client.getsockname())
    assert select.select([client], [], [], 5)[0]


linux = pytest.mark.skipif(sys.platform != "linux", reason="kernel timestamps are Linux's")


@linux
def test_the_kernel_stamps_both_ways(sockets: tuple[socket.socket, socket.socket]) -> None:
    server, client = sockets
    assert enable_kernel_stamps(client) is Stamps.KERNEL
    received = None
    # On a host where nobody else wants stamps, the first packets come too early for them (see
    # `stamping_kept_on`). The test's own timeout ends this.
    while received is None or received.kernel_ns is None:
        before_ns = time.time_ns()
        client.send(b"request")
        server.recv(100)
        send_to(server, client)
        sent_ns = None
        while sent_ns is None:
            sent_ns = transmit_stamp(client)
        received = receive(client)
    assert before_ns <= sent_ns <= received.kernel_ns <= time.time_ns()
    assert (received.data, received.address) == (b"reply", server.getsockname())


@linux
def test_a_receive_stamp_made_up_on_delivery_is_not_believed(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    """Stamping switched on too late: the kernel fills in the time of `recvmsg` (seen on 6.18)."""
    server, client = sockets
    send_to(server, client)
    time.sleep(0.01)
    enable_kernel_stamps(client)
    waiting_since_ns = time.time_ns()
    received = receive(client)
    assert received.kernel_ns is None or received.kernel_ns < waiting_since_ns


def test_without_stamps_the_fallback_is_stated(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    server, client = sockets
    client.send(b"request")
    send_to(server, client)
    assert transmit_stamp(client) is None
    assert receive(client).kernel_ns is None


def test_nothing_blocks(sockets: tuple[socket.socket, socket.socket]) -> None:
    _, client = sockets
    enable_kernel_stamps(client)
    assert transmit_stamp(client) is None
    with pytest.raises(BlockingIOError):
        receive(client)


def test_elsewhere_than_on_linux_stamps_are_user_space(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    _, client = sockets
    assert enable_kernel_stamps(client) is Stamps.USER
    assert transmit_stamp(client) is None
