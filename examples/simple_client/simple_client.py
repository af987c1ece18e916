"""What an application does with ChronoTick: ``python simple_client.py [RECORD]``.

Standard library and ``chronotick`` only. It reads the time and its bounds, waits until a moment,
asks whether a deadline is over, and orders two events. Without a daemon it says so, and goes on
where that is possible.
"""
# ruff: noqa: INP001, T201 - a program, not a package; printing is what it does

from __future__ import annotations

import sys
import warnings

import chronotick
from chronotick import ChronoTick, ChronoTickClient, Now, Order

LEASE_S = 0.2
NO_DAEMON = 3
NOT_SYNCHRONISED = 4


def read(clock: ChronoTick) -> None:
    """Read the time three ways. Of these, only ``now()`` can fail: it is the one that promises."""
    print(f"time()           {clock.time():.6f}            in place of time.time()")
    detailed = clock.time_detailed()
    print(f"time_detailed()  {detailed.timestamp:.6f}            from {detailed.source}")
    now = clock.now()
    print(f"now()            {now.estimate:.6f} +- {now.sigma:.6f}  best estimate, one sigma")
    print(f"                 {now.earliest:.6f} .. {now.latest:.6f}  true time is inside")


def hold_a_lease(clock: ChronoTick, client: ChronoTickClient) -> None:
    """Use something until it expires: as long as the answer is YES, it is certainly still ours."""
    end = clock.now().latest + LEASE_S
    print(f"lease until {end:.6f}: still ours? {clock.before(end).value}")
    client.wait_until(end)  # never returns before corrected time is there; true time may be
    print(f"at its end: still ours? {clock.before(end).value}")


def order(first: Now, second: Now) -> Order:
    """Whether one event was certainly before another, on this host or on two."""
    if first.latest_ns < second.earliest_ns:
        return Order.YES
    return Order.NO if second.latest_ns < first.earliest_ns else Order.UNKNOWN


def order_events(clock: ChronoTick, client: ChronoTickClient) -> None:
    """Order two events by their stamps. Within their bounds the clock cannot tell, and says so."""
    first, second = clock.now(), clock.now()
    print(f"two events one after the other: first before second? {order(first, second).value}")
    client.wait_until(2 * first.latest - first.earliest)  # longer than the interval is wide
    print(f"and one a little later: before it? {order(first, clock.now()).value}")


def main() -> int:
    """Show everything once; return the exit code."""
    record = sys.argv[1] if len(sys.argv) > 1 else None  # default: where the daemon publishes
    warnings.simplefilter("ignore", chronotick.SystemTimeWarning)  # said below, in other words
    clock = ChronoTick(record)
    with ChronoTickClient(record) as client:
        try:
            read(clock)
            hold_a_lease(clock, client)
            order_events(clock, client)
        except chronotick.DaemonUnavailable as problem:
            print(f"system time only, nobody knows how wrong: {problem}", file=sys.stderr)
            return NO_DAEMON
        except chronotick.ClockUnsynchronised as problem:
            print(f"a time without a promise: {problem}", file=sys.stderr)
            return NOT_SYNCHRONISED
    return 0


if __name__ == "__main__":
    sys.exit(main())
