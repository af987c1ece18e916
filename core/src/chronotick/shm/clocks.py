"""The clocks a reader needs. On Linux all of them are served by the vDSO, without a system call."""

from __future__ import annotations

import time

BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux only; elsewhere: 0


def raw_ns() -> int:
    """CLOCK_MONOTONIC_RAW: nobody steps or slews it; it stops while the host is suspended."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def suspended_ns() -> int:
    """How long the host has slept since boot: CLOCK_BOOTTIME - CLOCK_MONOTONIC.

    In this order a preemption between the two reads makes the result too small, never too large:
    a busy host is not taken for one that slept.
    """
    boot = time.clock_gettime_ns(BOOTTIME)
    return boot - time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def system_minus_raw_ns() -> int:
    """CLOCK_REALTIME - CLOCK_MONOTONIC_RAW, the system clock read between two reads of RAW."""
    before = raw_ns()
    system = time.time_ns()
    return system - (before + raw_ns()) // 2
