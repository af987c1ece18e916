from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Protocol

import pytest

from chronotick.config import servers
from chronotick.daemon.events import event_of
from chronotick.ntp import source as source_module
from chronotick.ntp.address import Endpoint
from chronotick.ntp.checks import Drop
from chronotick.ntp.drift import Drift
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.nts.errors import NtsDrop
from chronotick.ntp.packet import Packet
from chronotick.ntp.plausible import Meeting
from chronotick.ntp.poll import PollLimits
from chronotick.ntp.selection import Reason
from chronotick.ntp.source import Source, SourceSettings
from chronotick.ntp.timestamps import raw_now_ns

SETTINGS = SourceSettings(
    timeout_s=0.1,
    max_delay_ns=1_000_000_000,
    poll=PollLimits(minimum_s=0.02, maximum_s=64, burst_s=0.01, burst_replies=3),
)


class Server(Protocol):
    endpoint: Endpoint
    answer: Callable[[Packet], Iterable[bytes]]
    requests: list[bytes]


Until = Callable[[Callable[[], bool]], Awaitable[None]]
StartServer = Callable[..., Awaitable[Server]]
Honest = Callable[..., Packet]


class Recorder:
    """Remembers what a source reported."""

    def __init__(self) -> None:
        self.calls: list[Measurement | None] = []

    def __call__(self, _: Source, measurement: Measurement | None) -> None:
        self.calls.append(measurement)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def make_source(endpoint: Endpoint, recorder: Recorder, *, burst: bool = False) -> Source:
    return Source("time.example.org", endpoint, SETTINGS, burst=burst, finished=recorder)


def reason(source: Source) -> Reason | None:
    return source.answers.candidate(Meeting(Drift(), raw_ns := raw_now_ns(), raw_ns)).unusable


def kiss(honest: Honest, code: str) -> Callable[[Packet], list[bytes]]:
    word = int.from_bytes(code.encode(), "big")
    return lambda request: [honest(request, stratum=0, reference_id=word).pack()]


def silent(_: Packet) -> list[bytes]:
    return []


async def ask_times(source: Source, times: int) -> None:
    for _ in range(times):
        await source.ask()


async def test_the_reach_register_remembers_eight_exchanges(
    start_server: StartServer, recorder: Recorder
) -> None:
    server = await start_server()
    source = make_source(server.endpoint, recorder)
    assert reason(source) is Reason.NOT_MEASURED
    await ask_times(source, 2)
    honest_answer, server.answer = server.answer, silent
    await ask_times(source, 1)
    server.answer = honest_answer
    await ask_times(source, 1)
    assert source.answers.reach == 0b1101
    await ask_times(source, 8)
    assert source.answers.reach == 0b1111_1111
    assert len(source.answers.samples) == 8
    assert reason(source) is None


async def test_silence_makes_a_source_unreachable_only_after_eight_questions(
    start_server: StartServer, recorder: Recorder
) -> None:
    server = await start_server()
    source = make_source(server.endpoint, recorder)
    await source.ask()
    server.answer = silent
    await ask_times(source, 7)
    assert (source.exhausted, reason(source)) == (False, None)
    await source.ask()
    assert (source.exhausted, reason(source)) == (True, Reason.UNREACHABLE)
    assert source.drops == {"timeout": 8}
    assert recorder.calls[1:] == [None] * 8


async def test_rate_slows_polling_down_for_good(
    start_server: StartServer, honest: Honest, recorder: Recorder
) -> None:
    server = await start_server(kiss(honest, "RATE"))
    source = make_source(server.endpoint, recorder, burst=True)
    await source.ask()
    report = source.report(Reason.UNREACHABLE, Drift())
    assert report.poll_s == 0.04
    assert report.drops == {"kiss": 1}
    assert "RATE" in report.last_error
    source.burst()
    assert source.report(Reason.UNREACHABLE, Drift()).poll_s == 0.04


@pytest.mark.parametrize("code", ["DENY", "RSTR"])
async def test_a_refusal_followed_by_silence_demobilises(
    start_server: StartServer, honest: Honest, recorder: Recorder, code: str
) -> None:
    server = await start_server(kiss(honest, code))
    source = make_source(server.endpoint, recorder)
    await asyncio.wait_for(source.run(), 10)
    assert source.demobilised
    assert len(server.requests) == 8
    assert reason(source) is Reason.KISS


async def test_a_single_forged_refusal_kills_nothing(
    start_server: StartServer, honest: Honest, recorder: Recorder
) -> None:
    server = await start_server(kiss(honest, "DENY"))
    source = make_source(server.endpoint, recorder)
    await source.ask()
    assert reason(source) is Reason.KISS
    server.answer = lambda request: [honest(request).pack()]
    await source.ask()
    server.answer = silent
    await ask_times(source, 8)
    assert not source.demobilised
    assert reason(source) is Reason.UNREACHABLE


async def test_a_replayed_reply_is_counted_as_such(
    start_server: StartServer, honest: Honest, recorder: Recorder
) -> None:
    replies: list[bytes] = []

    def replay(request: Packet) -> list[bytes]:
        replies.append(honest(request).pack())
        return replies[-2:]

    server = await start_server(replay)
    source = make_source(server.endpoint, recorder)
    await ask_times(source, 3)
    assert source.drops == {"duplicate": 2}
    assert source.answers.reach == 0b111


async def test_polling_bursts_and_then_keeps_the_interval(
    start_server: StartServer, recorder: Recorder, until: Until
) -> None:
    server = await start_server()
    source = make_source(server.endpoint, recorder, burst=True)
    task = asyncio.create_task(source.run())
    await until(lambda: len(recorder.calls) >= 5)
    assert source.report(Reason.BEST, Drift()).poll_s == 0.02
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_burst_interrupts_a_long_pause_after_forgetting(
    start_server: StartServer, recorder: Recorder, until: Until
) -> None:
    server = await start_server()
    source = make_source(server.endpoint, recorder)
    lazy = PollLimits(minimum_s=3600, maximum_s=3600, burst_s=0.01, burst_replies=2)
    source.configure(dataclasses.replace(SETTINGS, poll=lazy))
    task = asyncio.create_task(source.run())
    await until(lambda: len(recorder.calls) >= 1)
    source.answers.forget()
    source.burst()
    assert source.answers.samples == []
    assert reason(source) is Reason.NOT_MEASURED
    await until(lambda: len(recorder.calls) >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_report_says_everything_and_survives_json(
    start_server: StartServer, recorder: Recorder
) -> None:
    server = await start_server()
    source = make_source(server.endpoint, recorder)
    before = dataclasses.asdict(source.report(Reason.NOT_MEASURED, Drift()))
    assert (before["offset_ns"], before["age_s"], before["stamps"]) == (None, None, None)
    await source.ask()
    report = source.report(Reason.BEST, Drift())
    assert report.id == str(server.endpoint)
    assert (report.name, report.address, report.stratum) == ("time.example.org", "127.0.0.1", 1)
    assert (report.reference_id, report.reach) == ("GPS", 1)
    assert report.root_distance_ns is not None
    assert report.system_offset_ns is not None
    assert abs(report.system_offset_ns) < report.root_distance_ns
    assert json.loads(json.dumps(dataclasses.asdict(report)))["reason"] == "*"


async def test_a_fault_of_this_host_is_logged_when_it_begins_changes_and_ends(
    start_server: StartServer,
    recorder: Recorder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "chronotick.ntp")
    plain = (await start_server()).endpoint
    keyed = dataclasses.replace(plain, protocol=servers.Protocol.KEY, key_id=10)
    source, file = make_source(keyed, recorder), tmp_path / "keys"
    source.configure(dataclasses.replace(SETTINGS, key_file=file))
    await ask_times(source, 9)
    file.touch(mode=0o600)
    await ask_times(source, 2)
    file.write_text("10 SHA1 HEX:75530bf0a4b5ffe788bff3d85961ec48\n")
    await ask_times(source, 2)  # the server is asked, and authenticates nothing
    assert source.drops == {"key": 11, "unauthenticated": 2, "timeout": 2}
    about = {"source": str(keyed), "server": "time.example.org"}
    begun, changed, ended = [event_of(record) for record in caplog.records]
    assert begun[0] == changed[0] == "source_fault"
    assert begun[1].items() >= about.items()
    assert str(begun[1]["detail"]).startswith(f"{file}: ")
    assert str(changed[1]["detail"]).startswith(f"{file}: there is no key 10")
    assert ended == ("source_fault_over", about)
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.WARNING, logging.INFO]


async def test_certificates_that_cannot_be_read_are_such_a_fault(
    closed_endpoint: Endpoint,
    recorder: Recorder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint = dataclasses.replace(closed_endpoint, protocol=servers.Protocol.NTS, name="a.example")
    source = make_source(endpoint, recorder)
    source.configure(dataclasses.replace(SETTINGS, trusted_certs=tmp_path / "none.pem"))
    await ask_times(source, 2)
    assert source.drops == {"nts-trust": 2}
    assert [event_of(record)[0] for record in caplog.records] == ["source_fault"]


async def test_silence_is_no_fault_of_this_host(
    closed_endpoint: Endpoint, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    await make_source(closed_endpoint, recorder).ask()
    assert caplog.records == []


def test_the_faults_of_this_host_are_drops_that_there_are() -> None:
    assert {Drop.KEY, NtsDrop.PACKAGES, NtsDrop.TRUST} == source_module._FAULTS
