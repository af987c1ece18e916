"""One node: joins a coordinator, agrees on a moment, acts at it, reports when that was.

python node.py --join HOST:PORT --name NAME [--record PATH]
"""
# ruff: noqa: INP001, T201 - a program, not a package; printing is what it does

from __future__ import annotations

import argparse
import math
import socket
import sys
import time
from pathlib import Path

from messages import (
    LONGEST,
    Abort,
    Acted,
    Ask,
    Begin,
    Decide,
    Decided,
    Done,
    Granted,
    Join,
    Message,
    MessageError,
    Missed,
    Propose,
    State,
    Unable,
    Vote,
    Written,
    decode,
    encode,
    require,
)

from chronotick import ChronoTick, ChronoTickClient, ClockUnsynchronised, DaemonUnavailable, Order
from chronotick.client import TargetPassed
from chronotick.shm.paths import default_record_path
from chronotick.shm.reader import RecordReader

FAILED, BAD_ARGUMENTS, NO_DAEMON, NOT_SYNCHRONISED = 1, 2, 3, 4
CONNECT_S = 10.0
PAUSE_S = 100e-6
NS_PER_S = 1_000_000_000
NO_TIME = (DaemonUnavailable, ClockUnsynchronised)


class NotDone(Exception):  # noqa: N818 - says what is the case
    """Raised when nothing is, or can be, done together; the message says why."""


class Clock:
    """Corrected time of one record: both faces of the client library, and the bound's growth."""

    def __init__(self, record: Path | None) -> None:
        self._record = record or default_record_path()
        self._clock = ChronoTick(self._record)
        self._client = ChronoTickClient(self._record)
        self.now = self._clock.now

    def state(self) -> State | Unable:
        """Say what the time is, or why that is not known."""
        try:
            now = self.now()
            growth = RecordReader(self._record).snapshot().bound_rate
        except DaemonUnavailable as problem:
            return Unable(str(problem), NO_DAEMON)
        except ClockUnsynchronised as problem:
            return Unable(str(problem), NOT_SYNCHRONISED)
        return State(now.earliest_ns, now.latest_ns, growth)

    def wait_until(self, target_ns: int, tolerance_ns: int) -> None:
        """Return when the estimate has reached a moment; raises what the client raises."""
        # A float of today's size is up to 0.12 us off: rather that much later than earlier.
        target_s = math.nextafter(target_ns / NS_PER_S, math.inf)
        self._client.wait_until(target_s, tolerance_ns / 1e6)

    def wait_until_past(self, stamp_ns: int) -> None:
        """Return when a moment has passed wherever in its interval true time may be."""
        while self._clock.after_ns(stamp_ns) is not Order.YES:
            time.sleep(PAUSE_S)


class Link:
    """The connection to the coordinator."""

    def __init__(self, host: str, port: int) -> None:
        try:
            self._socket = socket.create_connection((host, port), timeout=CONNECT_S)
        except OSError as problem:
            raise NotDone(f"no coordinator there: {problem.strerror or problem}") from problem
        self._socket.settimeout(None)  # the coordinator may take its time;
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a dead one is noticed
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")

    def send(self, message: Message) -> None:
        """Say something."""
        self._socket.sendall(encode(message))

    def receive(self) -> Message:
        """Return what the coordinator says next.

        Raises:
            NotDone: it called everything off, or closed the connection.
            MessageError: it says nothing that can be understood.
        """
        line = self._lines.readline(LONGEST)
        if not line:
            raise NotDone("the coordinator closed the connection")
        message = decode(line)
        if isinstance(message, Abort):
            raise NotDone(message.reason)
        return message


def take_part(link: Link, clock: Clock, name: str) -> None:
    """Follow the coordinator from joining to the end."""
    link.send(Join(name, host_clock()))
    plan = agree(link, clock)
    for tick in range(plan.ticks):
        link.send(act(clock, plan, tick))
    for number in range(plan.writes):
        write(link, clock, number, commit_wait=plan.commit_wait)
    link.send(Done())
    require(link.receive(), Done)


def agree(link: Link, clock: Clock) -> Propose:
    """Answer until there is a decision; return what was decided."""
    proposed: Propose | None = None
    while True:
        message = link.receive()
        if isinstance(message, Ask):
            link.send(clock.state())
        elif isinstance(message, Propose):
            proposed = message
            link.send(vote(proposed, clock.state()))
        else:
            require(message, Decide)
            if proposed is None:
                raise MessageError("a Decide without a Propose before it")
            link.send(Decided())
            return proposed


def vote(proposed: Propose, state: State | Unable) -> Vote:
    """Say whether this node can do what is proposed."""
    if isinstance(state, Unable):
        return Vote(state.reason, too_soon=False)
    ahead_ns = proposed.target_ns - state.latest_ns
    if ahead_ns <= 0:
        return Vote(f"the target may be {-ahead_ns / 1e6:.3f} ms ago already", too_soon=True)
    bound_ns = (state.latest_ns - state.earliest_ns) / 2 + ahead_ns * state.bound_growth
    if bound_ns > proposed.max_bound_ns:
        return Vote(
            f"its bound will be {bound_ns / 1e6:.3f} ms at the target, "
            f"more than {proposed.max_bound_ns / 1e6:g} ms; see --max-bound-ms",
            too_soon=False,
        )
    return Vote("", too_soon=False)


def act(clock: Clock, plan: Propose, tick: int) -> Acted | Missed:
    """Wait for a tick, act, and say when that was. Put what is to be done where it says so."""
    try:
        clock.wait_until(plan.target_ns + tick * plan.period_ns, plan.tolerance_ns)
        raw_before_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        now = clock.now()  # the action: here it only looks at the clock
        raw_after_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    except (TargetPassed, *NO_TIME) as problem:
        return Missed(tick, str(problem))
    return Acted(tick, now.earliest_ns, now.latest_ns, now.estimate_ns, raw_before_ns, raw_after_ns)


def write(link: Link, clock: Clock, number: int, *, commit_wait: bool) -> None:
    """Write to the log such that stamps tell the order of writes, on whichever nodes they were.

    J. C. Corbett et al., "Spanner: Google's Globally-Distributed Database", OSDI 2012, 4.1.2.

    Raises:
        NotDone: the clock was lost on the way: the write is not acknowledged.
    """
    link.send(Begin(number))
    require(link.receive(), Granted)
    try:
        stamp_ns = clock.now().latest_ns
        if commit_wait:
            clock.wait_until_past(stamp_ns)
    except NO_TIME as problem:
        raise NotDone(str(problem)) from problem
    link.send(Written(number, stamp_ns))


def host_clock() -> str:
    """Name the hardware clock of this host and boot."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text().strip() if boot.exists() else socket.gethostname()


def address(text: str) -> tuple[str, int]:
    """Read ``HOST:PORT``; brackets around an IPv6 address are welcome.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="One node of a distributed synchronised action.")
    parser.add_argument("--join", type=address, required=True, metavar="HOST:PORT")
    parser.add_argument("--name", default=socket.gethostname(), help="how the report calls it")
    parser.add_argument("--record", type=Path, help="the daemon's record, if not the default")
    parser.add_argument("--quiet", action="store_true", help="let the coordinator say what failed")
    return parser.parse_args()


def main() -> int:
    """Run one node; return the exit code."""
    options = arguments()
    host, port = options.join
    try:
        take_part(Link(host, port), Clock(options.record), options.name)
    except (NotDone, MessageError, OSError) as problem:
        if not options.quiet:
            print(f"{options.name}: {host}:{port}: {problem}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
