"""All configured servers, measured in parallel for as long as the daemon runs."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace

from chronotick.config.schema import Ntp, Timing
from chronotick.config.servers import ServerName, parse_server
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.packet import NS_PER_S
from chronotick.ntp.poll import PollLimits
from chronotick.ntp.report import SourceReport
from chronotick.ntp.selection import Limits, Reason, Selection
from chronotick.ntp.selector import Selector
from chronotick.ntp.server import Server
from chronotick.ntp.source import Source, SourceSettings
from chronotick.ntp.tasks import Tasks
from chronotick.ntp.timestamps import raw_now_ns, stamping_kept_on

logger = logging.getLogger("chronotick.ntp")

PREFERRED_NS = 10 * NS_PER_S
"""How long others wait at most, at the start, where authenticated sources are preferred."""
_AGREEING = frozenset({Reason.BEST, Reason.USED, Reason.CLUSTERED_OUT})
_GOOD_NEWS = frozenset({*_AGREEING, Reason.NOT_MEASURED, Reason.NOT_AUTHENTICATED})


class NtpMonitor:
    """Measures all configured servers and decides which of them to believe.

    Every method is to be called in the event loop's thread. No network failure ends it.

    Args:
        ntp: servers and limits.
        timing: intervals.
        on_measurement: called with every accepted measurement, right after ``selected()`` took it
            into account; whether the source is believed is for the caller to look up there. An
            exception in it is logged and ends nothing.
        burst_at_start: False skips the warm-up burst, where a history from before still holds.
        kernel_stamps: False measures with user-space stamps (for comparison).
    """

    def __init__(
        self,
        ntp: Ntp,
        timing: Timing,
        on_measurement: Callable[[Measurement], None],
        *,
        burst_at_start: bool = True,
        kernel_stamps: bool = True,
    ) -> None:
        self._on_measurement = on_measurement
        self._burst_at_start = burst_at_start
        self._kernel_stamps = kernel_stamps
        self._servers: dict[ServerName, Server] = {}
        self._running: dict[ServerName, asyncio.Task[None]] = {}
        self._tasks: Tasks | None = None
        self._limits = _limits(ntp)
        self._selector = Selector(self._limits)
        self._selection = Selection()
        self._preferred_until_ns = raw_now_ns() + PREFERRED_NS
        self.reconfigure(ntp, timing)

    async def run(self) -> None:
        """Measure until cancelled."""
        with stamping_kept_on():
            try:
                async with Tasks() as self._tasks:
                    for server in self._servers.values():
                        self._start(server)
                    await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None

    def _start(self, server: Server) -> None:
        if self._tasks is not None:
            task = self._tasks.spawn(server.run, f"server {server.name}")
            self._running[server.name] = task

    def reconfigure(self, ntp: Ntp, timing: Timing) -> None:
        """Use another configuration: add and remove servers, keep what is known of the others."""
        names = {parse_server(text): None for text in ntp.servers}
        self._limits = _limits(ntp)
        settings = _source_settings(ntp, timing, kernel_stamps=self._kernel_stamps)
        for name in [known for known in self._servers if known not in names]:
            del self._servers[name]
            if name in self._running:
                self._running.pop(name).cancel()
        for name in names:
            wanted = ntp.pool_size if name.is_pool else 1
            if name in self._servers:
                self._servers[name].configure(settings, wanted=wanted)
            else:
                self._add(name, settings, wanted)
        self._select()

    def _add(self, name: ServerName, settings: SourceSettings, wanted: int) -> None:
        self._servers[name] = Server(
            name,
            settings,
            wanted=wanted,
            burst=self._burst_at_start,
            taken=lambda: [source.id for source in self._sources()],
            finished=self._finished,
        )
        self._start(self._servers[name])

    def _sources(self) -> list[Source]:
        return [source for server in self._servers.values() for source in server.sources.values()]

    def selected(self) -> Selection:
        """The selection as of the last exchange."""
        return self._selection

    def sources(self) -> list[SourceReport]:
        """Describe every source, and every server that has none yet."""
        reports = []
        for server in self._servers.values():
            for source in server.sources.values():
                reason = self._selection.reasons.get(source.id, Reason.NOT_MEASURED)
                reports.append(source.report(reason, self._selector.drift))
            if not server.sources:
                reports.append(server.report_unresolved())
        return reports

    @property
    def authenticated(self) -> frozenset[str]:
        """Identifiers of the sources that authenticate what they say."""
        return frozenset(source for server in self._authenticated() for source in server.sources)

    @property
    def awaits_authenticated(self) -> bool:
        """Some of those have not been asked yet, or not since everything was forgotten."""
        return any(server.awaited for server in self._authenticated())

    def _authenticated(self) -> list[Server]:
        return [server for name, server in self._servers.items() if name.is_authenticated]

    def burst(self, *, forget: bool = False) -> None:
        """Ask all sources quickly again.

        Args:
            forget: drop all recent samples first. To be used when UTC - CLOCK_MONOTONIC_RAW has
                jumped (suspend, migration): they would contradict what is measured now.
        """
        for source in self._sources():
            source.burst()
        if forget:
            self._selector.forget()
            self._preferred_until_ns = raw_now_ns() + PREFERRED_NS
            self._select()

    def feedback(self, source: str, normalised_innovation: float) -> None:
        """Tell how well a source's last measurement was predicted; its poll interval adapts.

        Args:
            source: identifier; one that no longer exists is ignored.
            normalised_innovation: measured minus predicted offset, divided by the standard
                deviation of that measurement's noise.
        """
        for each in self._sources():
            if each.id == source:
                each.feedback(normalised_innovation)

    def _finished(self, source: Source, measurement: Measurement | None) -> None:
        self._select()
        logger.debug("%s: %s", source.id, measurement or source.last_error)
        if measurement is None:
            return
        try:
            self._on_measurement(measurement)
        except Exception:
            logger.exception("a measurement of %s was not taken in: a mistake", source.id)

    def _select(self) -> None:
        sources = self._sources()
        self._selector.watch(source.answers for source in sources)
        raw_ns = raw_now_ns()
        self._selector.limits = self._limits_now(raw_ns)
        before, self._selection = self._selection, self._selector.select(raw_ns)
        for source in sources:
            reason = self._selection.reasons[source.id]
            _log_change(source, before.reasons.get(source.id, Reason.NOT_MEASURED), reason)

    def _limits_now(self, raw_ns: int) -> Limits:
        """The configured limits, but preferred sources alone while they may still answer first.

        A key exchange (NTS) takes longer than a question in plain NTP: whoever answers faster would
        otherwise set the time at every start.
        """
        if self._limits.authentication != "prefer" or raw_ns > self._preferred_until_ns:
            return self._limits
        answered = any(server.answered for server in self._authenticated())
        if answered or not self.awaits_authenticated:
            return self._limits
        return replace(self._limits, authentication="require")


def _log_change(source: Source, before: Reason, after: Reason) -> None:
    if after is before or {after, before} <= _AGREEING:  # who leads changes all the time
        return
    level = logging.INFO if after in _GOOD_NEWS else logging.WARNING
    why = f" ({source.last_error})" if after is Reason.UNREACHABLE else ""
    logger.log(level, "%s%s: %s%s", source.id, source.named, after.words, why)


def _limits(ntp: Ntp) -> Limits:
    return Limits(
        max_distance_ns=round(ntp.max_acceptable_uncertainty * NS_PER_S),
        min_stratum=ntp.min_stratum,
        max_stratum=ntp.max_stratum,
        min_sources=ntp.min_sources,
        authentication=ntp.authentication,
    )


def _source_settings(ntp: Ntp, timing: Timing, *, kernel_stamps: bool) -> SourceSettings:
    warm_up, normal = timing.warm_up, timing.normal_operation
    in_burst = math.ceil(warm_up.duration_seconds / warm_up.measurement_interval)
    return SourceSettings(
        timeout_s=ntp.timeout_seconds,
        max_delay_ns=round(ntp.max_delay * NS_PER_S),
        kernel_stamps=kernel_stamps,
        trusted_certs=ntp.nts_trusted_certs,
        key_file=ntp.key_file,
        poll=PollLimits(
            minimum_s=normal.measurement_interval,
            maximum_s=normal.max_interval,
            burst_s=warm_up.measurement_interval,
            burst_replies=in_burst,
        ),
    )
