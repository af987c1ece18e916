"""The watchdog over a large pool of servers (RFC 9523), where the configuration asks for one.

It looks at what the daemon publishes and never moves it. With ``action: disrupt`` an alarm takes
the time's good name away: readers are told that it is disrupted until the pool agrees again. Not
so while an authenticated source is believed: who merely owns a pool must not stop such a clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chronotick.config.schema import ClockMeasurement
from chronotick.config.servers import parse_server
from chronotick.daemon.publisher import Plan
from chronotick.daemon.status import StateMachine
from chronotick.ntp import NtpMonitor
from chronotick.ntp.asking import Terms
from chronotick.ntp.pool_watch import PoolWatch, Served, WatchSettings
from chronotick.ntp.server_pool import ServerPool
from chronotick.shm.layout import Flags, Status

NS_PER_S = 1_000_000_000
DISTRUSTED = "the watchdog's pool contradicts served time"
_WORTH = Flags.VALID | Flags.WARM_UP_COMPLETE


class PoolWatchdog:
    """Runs the watchdog, and says what follows from its alarm.

    Args:
        served: what readers see.
        monitor: the sources that the clock is measured by.
        changed: called whenever an alarm begins or ends.
    """

    def __init__(self, served: Served, monitor: NtpMonitor, changed: Callable[[], None]) -> None:
        self._served = served
        self._monitor = monitor
        self._changed = changed
        self._asked_for: tuple[object, ...] = ()
        self._disrupts = False
        self._watch: PoolWatch | None = None
        self._task: asyncio.Task[None] | None = None

    async def use(self, configured: ClockMeasurement) -> None:
        """Begin or end; begin anew, with an empty pool, where the configuration is another."""
        section, settings = configured.watchdog, _settings(configured)
        self._disrupts = section.action == "disrupt"
        asked_for = (section.servers, section.pool_size, settings) if section.enabled else ()
        if asked_for == self._asked_for:
            return
        await self.close()
        self._asked_for = asked_for
        if section.enabled:
            pool = ServerPool(
                [parse_server(text) for text in section.servers],
                section.pool_size,
                taken=lambda: [source.id for source in self._monitor.sources()],
            )
            self._watch = PoolWatch(pool, settings, self._served, self._changed)
            self._task = asyncio.create_task(self._watch.run(), name="watchdog over a pool")

    async def close(self) -> None:
        """End it."""
        task, self._task, self._watch = self._task, None, None
        self._asked_for = ()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def distrusts(self) -> bool:
        """There is an alarm, and readers are to be told."""
        if self._watch is None or self._watch.alarm is None or not self._disrupts:
            return False
        believed = self._monitor.selected().survivors
        return not any(s.authenticated for s in self._monitor.sources() if s.id in believed)

    def considered(self, plan: Plan, state: StateMachine) -> Plan:
        """The plan as it is published: of a time that is not worth much while it is distrusted.

        Args:
            plan: as the sources call for it.
            state: is overruled meanwhile, so that the change is logged, counted and remembered.
        """
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
        ),
    )
