"""What the chronyd of this host believes, as a source: real sockets, and a real chronyd."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import os
import socket
import stat
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from chronotick.config.servers import Protocol, parse_server
from chronotick.ntp.address import Endpoint, resolve
from chronotick.ntp.asking import Answer, Terms
from chronotick.ntp.chronyd import (
    MAX_SLEW,
    STALE_AT_LEAST_S,
    STALE_UPDATES,
    ChronydAsker,
    check_current,
    measured,
)
from chronotick.ntp.cmdmon import CmdmonDrop, CmdmonDroppedError, Tracking, tracking_request
from chronotick.ntp.cmdmon_exchange import Report
from chronotick.ntp.drift import Drift
from chronotick.ntp.poll import PollLimits
from chronotick.ntp.selection import Reason
from chronotick.ntp.source import Source, SourceSettings
from chronotick.ntp.testing import free_udp_port
from chronotick.ntp.timestamps import ClockPair, RawScale, read_pair

S = 1_000_000_000
MS = 1_000_000
TERMS = Terms(timeout_s=5, max_delay_ns=3 * S)
SILENT = Terms(timeout_s=0.05, max_delay_ns=3 * S)
GOOD = Tracking(
    reference_id=0xC0000201,
    stratum=3,
    leap=0,
    reference_unix_ns=1_800_000_000 * S,
    correction_s=-0.034,
    last_offset_s=20e-6,
    rms_offset_s=30e-6,
    frequency=12e-6,
    residual_frequency=0.0,
    skew=0.1e-6,
    root_delay_s=0.020,
    root_dispersion_s=0.001,
    update_interval_s=64.0,
)

Answers = Callable[[bytes], Iterable[bytes]]


def packed(value: float) -> int:
    """A number as chronyd writes it (`UTI_FloatHostToNetwork`)."""
    if not value:
        return 0
    coefficient, exponent = math.frexp(value)
    return (exponent + 1) % 128 << 25 | round(coefficient * 2**24) % 2**25


def reply(request: bytes, tracking: Tracking, *, status: int = 0) -> bytes:
    """What chronyd answers."""
    (sequence,) = struct.unpack_from("!I", request, 8)
    header = struct.pack("!BBxxHHH6xI8x", 6, 2, 33, 5, status, sequence)
    seconds, fraction_ns = divmod(tracking.reference_unix_ns, S)
    place = tracking.reference_id, tracking.stratum, tracking.leap
    numbers = [
        tracking.correction_s,
        tracking.last_offset_s,
        tracking.rms_offset_s,
        1e6 * tracking.frequency,
        1e6 * tracking.residual_frequency,
        1e6 * tracking.skew,
        tracking.root_delay_s,
        tracking.root_dispersion_s,
        tracking.update_interval_s,
    ]
    when = seconds >> 32, seconds & 0xFFFF_FFFF, fraction_ns
    return header + struct.pack("!I20xHHIII9I", *place, *when, *map(packed, numbers))


def now(**changes: float) -> Tracking:
    """A chronyd whose last update was a minute ago."""
    reference_ns = read_pair().realtime_ns - 60 * S
    return dataclasses.replace(GOOD, reference_unix_ns=reference_ns, **changes)


class Command(asyncio.DatagramProtocol):
    """chronyd's command socket: answers each request with the datagrams that `answer` returns."""

    def __init__(self, answer: Answers) -> None:
        self.answer = answer
        self.clients: list[object] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.clients.append(addr)
        if isinstance(addr, str):  # while the client still waits
            self.modes = [
                stat.S_IMODE(each.stat().st_mode) for each in (Path(addr).parent, Path(addr))
            ]
        for each in self.answer(data):
            self.transport.sendto(each, addr)


@contextlib.asynccontextmanager
async def answering(answer: Answers) -> AsyncIterator[tuple[Endpoint, Command]]:
    transport, command = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Command(answer), local_addr=("127.0.0.1", 0)
    )
    try:
        place = transport.get_extra_info("sockname")
        yield Endpoint(socket.AF_INET, place, Protocol.CHRONYD), command
    finally:
        transport.close()


@contextlib.asynccontextmanager
async def answering_at(path: Path, answer: Answers) -> AsyncIterator[tuple[Endpoint, Command]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        transport, command = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Command(answer), sock=sock
        )
        try:
            yield Endpoint(socket.AF_UNIX, str(path), Protocol.CHRONYD), command
        finally:
            transport.close()


def entries(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Root may use every socket: be nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


async def asked(answer: Answers, terms: Terms = TERMS) -> Answer:
    async with answering(answer) as (endpoint, _):
        return await ChronydAsker(endpoint).ask(terms)


def still(tracking: Tracking, *, moved_ns: int = 0, elapsed_ns: int = MS) -> Report:
    """A reply in whose question CLOCK_REALTIME moved against RAW by so much."""
    start_ns = tracking.reference_unix_ns + 60 * S
    before = ClockPair(start_ns, 500 * S, window_ns=100)
    after = ClockPair(start_ns + elapsed_ns + moved_ns, 500 * S + elapsed_ns, window_ns=100)
    return Report(tracking, RawScale(before, after))


async def test_the_offset_is_what_chronyd_would_still_correct() -> None:
    answer = await asked(lambda request: [reply(request, now(correction_s=-0.034))])
    assert answer.measurement is not None, answer.error
    pair = read_pair()
    system_ns = pair.realtime_ns - pair.raw_ns
    assert abs(answer.measurement.offset_ns - system_ns + 34 * MS) < MS // 2
    assert (answer.measurement.stratum, answer.measurement.reference_id) == (3, 0xC0000201)
    assert (answer.drops, answer.error) == (Counter(), "")


def test_the_root_distance_is_what_chronyd_states() -> None:
    measurement = measured(still(GOOD), "chronyd", 1)
    stated_ns = 10 * MS + MS
    resolution_ns = 34 * MS // 2**22 + 100
    assert stated_ns <= measurement.root_distance_ns <= stated_ns + resolution_ns
    assert measurement.delay_ns == 20 * MS


def test_the_noise_grows_with_the_answers_of_one_update_and_with_its_age() -> None:
    fresh = still(dataclasses.replace(GOOD, skew=0.0))
    once, often = (measured(fresh, "chronyd", n).precision_ns for n in (1, 16))
    assert once == pytest.approx(30_000, rel=0.02)
    assert often == pytest.approx(4 * 30_000, rel=0.02)
    aged = still(dataclasses.replace(GOOD, rms_offset_s=0.0))
    assert measured(aged, "chronyd", 1).precision_ns == pytest.approx(6_000, rel=0.05)


def test_noise_beyond_the_stated_dispersion_widens_the_distance() -> None:
    doubtful = dataclasses.replace(GOOD, rms_offset_s=0.005)
    assert measured(still(doubtful), "chronyd", 1).root_distance_ns >= 15 * MS


@pytest.mark.parametrize("moved_ns", [-80_000, 80_000])
def test_slewing_meanwhile_costs_no_more_than_how_far_the_clocks_moved(moved_ns: int) -> None:
    """Whether chronyd spoke before or after the slewing, the truth is within the bound."""
    exact = dataclasses.replace(GOOD, rms_offset_s=0.0, skew=0.0, root_dispersion_s=0.0)
    exact = dataclasses.replace(exact, root_delay_s=0.0)
    report = still(exact, moved_ns=moved_ns)
    measurement = measured(report, "chronyd", 1)
    for pair in (report.scale.before, report.scale.after):
        truth_ns = pair.realtime_ns - pair.raw_ns - 34 * MS
        assert abs(measurement.offset_ns - truth_ns) <= measurement.root_distance_ns


def test_a_large_correction_is_known_to_fewer_digits() -> None:
    coarse = dataclasses.replace(GOOD, correction_s=40_000.0)
    assert measured(still(coarse), "chronyd", 1).precision_ns > 4 * MS


@pytest.mark.parametrize(
    ("report", "drop"),
    [
        (still(dataclasses.replace(GOOD, leap=3)), CmdmonDrop.UNSYNCHRONISED),
        (still(dataclasses.replace(GOOD, reference_id=0x7F7F0101)), CmdmonDrop.LOCAL),
        (still(GOOD, moved_ns=50 * MS), CmdmonDrop.CLOCK_STEP),
        (still(GOOD, moved_ns=-50 * MS), CmdmonDrop.CLOCK_STEP),
        (still(dataclasses.replace(GOOD, correction_s=3600.0)), CmdmonDrop.STALE),
    ],
    ids=["unsynchronised", "local", "forward", "back", "stale"],
)
def test_what_chronyd_cannot_know_is_not_believed(report: Report, drop: CmdmonDrop) -> None:
    check_current(still(GOOD, moved_ns=round(MS * MAX_SLEW)))
    with pytest.raises(CmdmonDroppedError) as caught:
        check_current(report)
    assert caught.value.drop is drop


@pytest.mark.parametrize(
    ("interval_s", "patience_s"), [(1.0, STALE_AT_LEAST_S), (4096.0, STALE_UPDATES * 4096.0)]
)
def test_an_update_is_old_after_eight_intervals_but_not_before_two_long_polls(
    interval_s: float, patience_s: float
) -> None:
    def aged(age_s: float) -> Report:
        return still(
            dataclasses.replace(GOOD, update_interval_s=interval_s, correction_s=age_s - 60.0)
        )

    check_current(aged(patience_s - 10))
    with pytest.raises(CmdmonDroppedError, match=r"its last update was \d+ s ago"):
        check_current(aged(patience_s + 10))


async def test_repeated_answers_are_counted_until_chronyd_updates() -> None:
    says = now()
    async with answering(lambda request: [reply(request, says)]) as (endpoint, _):
        asker = ChronydAsker(endpoint)
        sizes = [await noise(asker) for _ in range(3)]
        # It moves the time of its reference along when it slews: that is no update.
        says = dataclasses.replace(says, reference_unix_ns=says.reference_unix_ns + 1000)
        sizes.append(await noise(asker))
        says = dataclasses.replace(says, last_offset_s=-5e-6)
        sizes.append(await noise(asker))
    assert sizes == pytest.approx([30e3 * math.sqrt(n) for n in (1, 2, 3, 4, 1)], rel=0.1)


async def noise(asker: ChronydAsker) -> int:
    answer = await asker.ask(TERMS)
    assert answer.measurement is not None, answer.error
    scatter_ns = MS - answer.measurement.root_dispersion_ns  # what was moved from one to the other
    assert scatter_ns <= answer.measurement.precision_ns
    return scatter_ns


async def test_what_does_not_answer_the_question_is_counted_and_the_reply_waited_for() -> None:
    def noisy(request: bytes) -> list[bytes]:
        other = tracking_request(struct.unpack_from("!I", request, 8)[0] ^ 1)
        return [b"garbage", b"x" * 500, request, reply(other, now()), reply(request, now())]

    answer = await asked(noisy)
    assert answer.measurement is not None
    assert answer.drops == {"form": 3, "origin": 1}


@pytest.mark.parametrize(
    ("answer", "drop"),
    [
        (lambda request: [reply(request, now(), status=2)], "status"),
        (lambda request: [reply(request, now())[:60]], "form"),
        (lambda request: [reply(request, now(leap=3, stratum=0))], "unsynchronised"),
        (lambda request: [reply(request, now(root_dispersion_s=16.0))], "root-distance"),
        (lambda request: [reply(request, now(correction_s=1e12))], "stale"),
        (lambda request: [reply(request, now(root_delay_s=3.5))], "delay"),
    ],
    ids=["status", "form", "unsynchronised", "root-distance", "stale", "delay"],
)
async def test_what_chronyd_itself_refuses_ends_the_question_with_a_sentence(
    answer: Answers, drop: str
) -> None:
    told = await asyncio.wait_for(asked(answer, Terms(timeout_s=60, max_delay_ns=3 * S)), 30)
    assert told.measurement is None
    assert told.drops == {drop: 1}
    assert CmdmonDrop(drop).words in told.error


async def test_silence_is_a_timeout_that_tells_what_came_before() -> None:
    answer = await asked(lambda _: [b"garbage"], SILENT)
    assert answer.drops == {"form": 1, "timeout": 1}
    assert answer.error.startswith("no reply in time (before that: not a reply of chronyd's")


async def test_a_chronyd_that_does_not_run_is_told_at_once(closed_endpoint: Endpoint) -> None:
    endpoint = Endpoint(socket.AF_INET, closed_endpoint.sockaddr, Protocol.CHRONYD)
    answer = await asyncio.wait_for(
        ChronydAsker(endpoint).ask(Terms(timeout_s=60, max_delay_ns=1)), 30
    )
    assert answer.drops == {"refused": 1}
    assert "Check that chronyd runs on this host" in answer.error
    assert "cmdport" in answer.error


async def test_a_unix_socket_is_asked_from_a_private_directory_that_does_not_stay(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chronyd.sock"
    async with answering_at(path, lambda request: [reply(request, now())]) as (endpoint, command):
        answer = await ChronydAsker(endpoint).ask(TERMS)
    assert answer.measurement is not None, answer.error
    assert answer.measurement.source == f"chronyd://{path}"
    (client,) = command.clients
    assert Path(str(client)).parent.parent == tmp_path  # chronyd may see nothing else of ours
    assert command.modes == [0o711, 0o666]
    assert entries(tmp_path) == [path.name]


async def test_a_socket_that_is_not_there_or_dead_is_told(tmp_path: Path) -> None:
    path = tmp_path / "chronyd.sock"
    asker = ChronydAsker(Endpoint(socket.AF_UNIX, str(path), Protocol.CHRONYD))
    for _ in range(2):
        answer = await asker.ask(TERMS)
        assert answer.drops == {"refused": 1}
        assert "bindcmdaddress" in answer.error
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
            dead.bind(str(path))
    assert entries(tmp_path) == [path.name]


async def test_a_socket_that_this_user_may_not_use_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "chronyd.sock"
    async with answering_at(path, lambda _: []) as (endpoint, _):
        path.chmod(0)
        with unprivileged():
            answer = await ChronydAsker(endpoint).ask(TERMS)
    assert answer.drops == {"network": 1}
    assert "as root or as chronyd's user" in answer.error


async def test_a_path_too_long_to_answer_to_is_told(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * (100 - len(str(tmp_path))))
    if len(str(tmp_path)) > 95:
        pytest.skip("the temporary directory is too deep for any socket")
    folder.mkdir()
    async with answering_at(folder / "s", lambda _: []) as (endpoint, _):
        answer = await ChronydAsker(endpoint).ask(TERMS)
    assert answer.drops == {"network": 1}
    assert "too long" in answer.error
    assert entries(folder) == ["s"]


@pytest.fixture
def settings() -> SourceSettings:
    limits = PollLimits(minimum_s=0.02, maximum_s=64, burst_s=0.01, burst_replies=3)
    return SourceSettings(timeout_s=5, max_delay_ns=3 * S, poll=limits)


async def test_a_source_reports_it_as_it_does_a_server(settings: SourceSettings) -> None:
    says = [now(), now(leap=3)]
    async with answering(lambda request: [reply(request, says.pop(0))]) as (endpoint, _):
        source = Source("chronyd", endpoint, settings, burst=False, finished=lambda *_: None)
        await source.ask()
        await source.ask()
    report = source.report(Reason.BEST, Drift())
    assert report.id == f"chronyd://127.0.0.1:{endpoint.port}"
    assert (report.name, report.address, report.stratum) == ("chronyd", "127.0.0.1", 3)
    assert (report.reach, report.drops) == (0b10, {"unsynchronised": 1})
    assert report.reference_id == "192.0.2.1"
    assert report.delay_ns == 20 * MS
    assert report.system_offset_ns == pytest.approx(-34 * MS, abs=MS)
    assert report.last_error == "chronyd says that it is not synchronised"


StartChronyd = Callable[..., AbstractContextManager[int]]


@pytest.fixture
def command_directory(tmp_path: Path) -> Path:
    tmp_path.chmod(0o750)  # chronyd insists
    return tmp_path


@pytest.mark.chronyd
async def test_a_real_chronyd_answers_on_both_sockets(
    start_chronyd: StartChronyd, command_directory: Path
) -> None:
    """Without a server of its own it must not be believed, and with `local` no more than that."""
    port, path = free_udp_port(), command_directory / "chronyd.sock"
    directives = f"cmdport {port}", f"bindcmdaddress {path}", "bindcmdaddress 127.0.0.1"
    names = f"chronyd://127.0.0.1:{port}", f"chronyd://{path}"
    endpoints = [found for name in names for found in await resolve(parse_server(name))]
    assert tuple(map(str, endpoints)) == names
    for synchronised, drop in ((False, "unsynchronised"), (True, "local")):
        with start_chronyd(*directives, synchronised=synchronised):
            for endpoint in endpoints:
                answer = await ChronydAsker(endpoint).ask(TERMS)
                assert answer.drops == {drop: 1}, answer.error
