"""One configured server: looks its name up and keeps as many sources alive as it stands for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from chronotick.config.servers import ServerName
from chronotick.ntp.address import Endpoint, ResolveError, resolve
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.report import SourceReport
from chronotick.ntp.selection import Reason
from chronotick.ntp.source import Source, SourceSettings
from chronotick.ntp.tasks import Alarm, Tasks

logger = logging.getLogger("chronotick.ntp")

_FIRST_RETRY_S = 1.0
_LAST_RETRY_S = 64.0
_REFRESH_S = 3600.0  # DNS of a pool rotates; nobody is in a hurry to fill up
_REFUSED_S = 6 * 3600.0  # a refusal holds so long: in plain NTP it may have been forged


class Server:
    """A configured server.

    Args:
        name: what is configured.
        settings: how its sources are asked.
        wanted: how many sources it should have.
        burst: whether new sources begin with a burst.
        taken: identifiers of all sources that exist, under whatever name.
        finished: called after every exchange of every source.
        lookup: turns the name into addresses.
    """

    def __init__(
        self,
        name: ServerName,
        settings: SourceSettings,
        *,
        wanted: int,
        burst: bool,
        taken: Callable[[], Collection[str]],
        finished: Callable[[Source, Measurement | None], None],
        lookup: Callable[[ServerName], Awaitable[list[Endpoint]]] = resolve,
    ) -> None:
        self.name = name
        self.sources: dict[str, Source] = {}
        self._settings = settings
        self._wanted = wanted
        self._burst = burst
        self._taken = taken
        self._report_exchange = finished
        self._lookup = lookup
        self._polling: dict[str, asyncio.Task[None]] = {}
        self._exhausted: set[str] = set()
        self._refused: dict[str, float] = {}  # and when that was found, by the loop's clock
        self._given_up: set[str] = set()
        self._error = ""
        self._retry_s = _FIRST_RETRY_S
        self._alarm = Alarm()

    async def run(self) -> None:
        """Keep the sources alive until cancelled."""
        async with Tasks() as tasks:
            for source in self.sources.values():  # left from before a restart of this task
                self._start(source, tasks)
            while True:
                await self._fill(tasks)
                await self._alarm.wait(self._pause_s())

    def _pause_s(self) -> float | None:
        if not self.sources:
            self._retry_s = min(2 * self._retry_s, _LAST_RETRY_S)
            return self._retry_s / 2
        self._retry_s = _FIRST_RETRY_S
        complete = len(self.sources) >= self._wanted
        return None if complete and self._refused.keys().isdisjoint(self.sources) else _REFRESH_S

    async def _fill(self, tasks: Tasks) -> None:
        for surplus in list(self.sources)[self._wanted :]:
            self._drop(surplus)
        self._try_again()
        needing = self._exhausted.union(self._refused).intersection(self.sources)
        if len(self.sources) >= self._wanted and not needing:
            return
        fresh = await self._fresh_endpoints()
        self._exhausted.clear()
        for dead in sorted(needing)[: len(fresh)]:
            logger.warning("%s (%s): does not answer, replaced", dead, self.name)
            self._given_up.add(dead)
            self._drop(dead)
        for endpoint in fresh[: max(self._wanted - len(self.sources), 0)]:
            self._add(endpoint, tasks)

    def _try_again(self) -> None:
        """Forget refusals of long ago; a source that ended with one makes room for a new one."""
        now_s = asyncio.get_running_loop().time()
        for source_id, refused_s in list(self._refused.items()):
            if now_s - refused_s >= _REFUSED_S:
                del self._refused[source_id]
                if source_id in self.sources:
                    self._drop(source_id)

    async def _fresh_endpoints(self) -> list[Endpoint]:
        try:
            found = await self._lookup(self.name)
        except ResolveError as error:
            self._complain(str(error))
            return []
        taken = self._taken()
        fresh = [each for each in found if str(each) not in {*taken, *self._refused}]
        fresh.sort(key=lambda each: str(each) in self._given_up)  # those never tried come first
        nothing = not fresh and not self.sources
        self._complain(f"{self.name}: all its addresses are sources already" if nothing else "")
        return fresh

    def _complain(self, error: str) -> None:
        if error and error != self._error:
            logger.warning("%s", error)
        self._error = error

    def _add(self, endpoint: Endpoint, tasks: Tasks) -> None:
        source = Source(
            str(self.name), endpoint, self._settings, burst=self._burst, finished=self._finished
        )
        self.sources[source.id] = source
        self._start(source, tasks)

    def _start(self, source: Source, tasks: Tasks) -> None:
        self._polling[source.id] = tasks.spawn(source.run, f"polling {source.id}")

    def _drop(self, source_id: str) -> None:
        del self.sources[source_id]
        self._polling.pop(source_id).cancel()

    def _finished(self, source: Source, measurement: Measurement | None) -> None:
        if source.exhausted:
            self._exhausted.add(source.id)
            self._alarm.ring()
        if source.demobilised:
            self._refused[source.id] = asyncio.get_running_loop().time()
        self._report_exchange(source, measurement)

    @property
    def awaited(self) -> bool:
        """Nothing is known yet of some of its sources, or not even whether it has any."""
        if not self.sources:
            return not self._error
        sources = self.sources.values()
        return any(each.answers.awaited and not each.demobilised for each in sources)

    @property
    def answered(self) -> bool:
        """There are samples of one of its sources at least."""
        return any(source.answers.samples for source in self.sources.values())

    def configure(self, settings: SourceSettings, *, wanted: int) -> None:
        """Use other settings from now on; the sources keep what they learnt."""
        self._settings = settings
        self._wanted = wanted
        for source in self.sources.values():
            source.configure(settings)
        self._alarm.ring()

    def report_unresolved(self) -> SourceReport:
        """Describe a server that has no source (yet)."""
        return SourceReport(
            id=str(self.name),
            name=str(self.name),
            port=self.name.port,
            reason=Reason.UNREACHABLE if self._error else Reason.NOT_MEASURED,
            last_error=self._error,
        )
