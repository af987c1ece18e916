"""What the daemon makes of the watchdog over a pool (RFC 9523), where it is configured.

:mod:`chronotick.ntp.watchdog` asks and judges; here it is begun and ended, its alarm takes effect,
and what it knows goes into the history, so that neither a restart nor a reload ends an alarm.

It looks at what the daemon publishes and never moves it. With ``action: disrupt`` an alarm takes
the time's good name away: readers are told that it is disrupted until the pool agrees again. Not
so for a clock that is measured by an authenticated source, or was when it was measured last: who
merely owns a pool must not stop such a clock.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from chronotick.config.schema import ClockMeasurement, WatchdogSection
from chronotick.config.servers import parse_server
from chronotick.daemon.publisher import Plan
from chronotick.daemon.status import StateMachine
from chronotick.history.boot import boot_id
from chronotick.ntp import Selection, SourceReport
from chronotick.ntp.asking import Terms
from chronotick.ntp.watchdog import words
from chronotick.ntp.watchdog.member import place_of
from chronotick.ntp.watchdog.pool import Pool
from chronotick.ntp.watchdog.saved import Instant, SavedWatchdog
from chronotick.ntp.watchdog.watch import Served, Watch, WatchSettings
from chronotick.shm.clocks import BOOTTIME
from chronotick.shm.layout import Flags, Status

NS_PER_S = 1_000_000_000
DISTRUSTED = "the watchdog's pool contradicts served time"
_WORTH = Flags.VALID | Flags.WARM_UP_COMPLETE
_NAME = "watchdog"  # under which it is saved
_log = logging.getLogger("chronotick.ntp.watchdog")


class ClockSources(Protocol):
    """The sources that the clock is measured by: :class:`chronotick.ntp.NtpMonitor`."""

    def selected(self) -> Selection:
        """Which of them are believed."""

    def sources(self) -> list[SourceReport]:
        """What is known of each."""


class StateStore(Protocol):
    """Where things outlast the daemon: :class:`chronotick.daemon.memory.Memory`."""

    def save_part(self, name: str, body: Mapping[str, Any]) -> None:
        """Replace what there is to go on with after a restart."""

    def load_part(self, name: str) -> Mapping[str, Any] | None:
        """What was saved last; None without it."""


class PoolWatchdog:
    """Runs the watchdog, and says what follows from its alarm.

    Args:
        served: what readers see.
        monitor: what the clock is measured by.
        changed: called whenever an alarm begins or ends.
        store: what outlasts the daemon.
    """

    def __init__(
        self, served: Served, monitor: ClockSources, changed: Callable[[], None], store: StateStore
    ) -> None:
        self._served = served
        self._monitor = monitor
        self._changed = changed
        self._store = store
        self._saved = _load(store)
        self._vouched = self._saved.vouched
        self._disrupts = False
        self._settings: WatchSettings | None = None
        self._watch: Watch | None = None
        self._task: asyncio.Task[None] | None = None

    async def use(self, configured: ClockMeasurement) -> None:
        """Begin, go on or end, as is configured.

        Other settings change no alarm. With other names or another size of the pool the alarm ends,
        since it is not theirs; the servers found under names that stay are asked further.
        """
        section, settings = configured.watchdog, _settings(configured)
        self._disrupts = section.action == "disrupt"
        if self._watch is not None and section.enabled and _is_of(self._saved, section):
            if settings != self._settings:
                await self._stop()
                self._watch.configure(settings)
                self._start(self._watch, settings)
            return
        await self.close()
        self._drop_alarm(section)
        if section.enabled:
            self._watch = self._begun(section, settings)
            self._save()
            self._start(self._watch, settings)

    def _begun(self, section: WatchdogSection, settings: WatchSettings) -> Watch:
        """Make one that goes on from what was saved."""
        pool = Pool(
            [parse_server(text) for text in section.servers],
            section.pool_size,
            taken=self._places,
        )
        watch = Watch(pool, settings, self._served, self._changed, save=self._save)
        watch.restore(self._saved.watch, _now().since_s(self._saved.at))
        self._saved = replace(self._saved, names=tuple(section.servers), size=section.pool_size)
        return watch

    def _places(self) -> set[str]:
        """Where the servers are that the clock is measured by."""
        sources = self._monitor.sources()
        return {place_of(each.address, each.port) for each in sources if each.address}

    def _start(self, watch: Watch, settings: WatchSettings) -> None:
        self._settings = settings
        self._task = asyncio.create_task(watch.run(), name="watchdog over a pool")

    def _drop_alarm(self, section: WatchdogSection) -> None:
        """End an alarm that nobody is going to check."""
        saved = self._saved
        if saved.watch.alarm is None or (section.enabled and _is_of(saved, section)):
            return
        done = "the watchdog's pool was changed" if section.enabled else "the watchdog was disabled"
        words.log_dropped(done)
        self._saved = replace(saved, watch=replace(saved.watch, alarm=None))
        self._store.save_part(_NAME, self._saved.as_json())

    def _save(self) -> None:
        if self._watch is not None:
            self._saved = replace(
                self._saved, watch=self._watch.saved(), vouched=self._vouched, at=_now()
            )
            self._store.save_part(_NAME, self._saved.as_json())

    async def close(self) -> None:
        """End it; what it knows is saved."""
        await self._stop()
        self._save()
        self._watch = None

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def distrusts(self) -> bool:
        """There is an alarm, and readers are to be told."""
        alarmed = self._watch is not None and self._watch.alarm is not None
        return alarmed and self._disrupts and not self._vouched

    def _note_who_vouches(self) -> None:
        """See whether an authenticated source is believed; while none is, it stays as it was."""
        believed = self._monitor.selected().survivors
        if self._watch is None or not believed:
            return
        sources = self._monitor.sources()
        vouched = any(each.authenticated for each in sources if each.id in believed)
        if vouched is not self._vouched:
            self._vouched = vouched
            self._save()

    def considered(self, plan: Plan, state: StateMachine) -> Plan:
        """The plan as it is published: of a time that is not worth much while it is distrusted.

        Args:
            plan: as the sources call for it.
            state: is overruled meanwhile, so that the change is logged, counted and remembered.
        """
        self._note_who_vouches()
        distrusts = self.distrusts
        state.overrule(plan.made_raw_ns, DISTRUSTED if distrusts else "")
        if not distrusts:
            return plan
        flags = plan.about.flags & ~_WORTH
        return replace(plan, about=replace(plan.about, status=Status.DISRUPTED, flags=flags))

    def report(self) -> dict[str, Any] | None:
        """What it has found, for status; None where it does not run."""
        if self._watch is None:
            return None
        return {**self._watch.report(), "disrupts": self.distrusts}


def _load(store: StateStore) -> SavedWatchdog:
    """What was saved, or nothing: the pool can be gathered anew."""
    body = store.load_part(_NAME)
    if body is None:
        return SavedWatchdog()
    try:
        return SavedWatchdog.from_json(body)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _log.warning("the watchdog begins anew: what was kept of it cannot be used (%s)", error)
        return SavedWatchdog()


def _now() -> Instant:
    return Instant(boot_id(), time.clock_gettime(BOOTTIME), time.time())


def _is_of(saved: SavedWatchdog, section: WatchdogSection) -> bool:
    """Whether the pool is configured as it was."""
    return (saved.names, saved.size) == (tuple(section.servers), section.pool_size)


def _settings(configured: ClockMeasurement) -> WatchSettings:
    ntp, section = configured.ntp, configured.watchdog
    return WatchSettings(
        sample_size=section.sample_size,
        interval_s=section.interval_seconds,
        w_ns=round(section.w * NS_PER_S),
        panic_trigger=section.panic_trigger,
        terms=Terms(
            timeout_s=ntp.timeout_seconds,
            max_delay_ns=round(ntp.max_delay * NS_PER_S),
            trusted_certs=ntp.nts_trusted_certs,
            key_file=ntp.key_file,
        ),
    )
