"""The watch: asks the pool, a few servers at a time, whether served time is right (RFC 9523).

Nobody is to know when it asks whom, and nobody is to be bothered by it: moments and servers are
drawn by the system's random numbers; questions are a second apart; between two questions to a
server lies a minute at least, an hour as a rule (but for servers of this host); who refuses service
is left alone for a day.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from chronotick.ntp.asking import Terms
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.tasks import Tasks
from chronotick.ntp.timestamps import raw_now_ns, stamping_kept_on
from chronotick.ntp.watchdog import words
from chronotick.ntp.watchdog.member import Member
from chronotick.ntp.watchdog.pool import LISTED_S, Pool
from chronotick.ntp.watchdog.saved import SavedPool, SavedWatch
from chronotick.ntp.watchdog.verdict import Compared, Finding, Tally, Verdict, judge

logger = logging.getLogger("chronotick.ntp.watchdog")

SPACING_S = 1.0  # between two questions, on average, if the interval is not too short for that
RESAMPLE_S = 64.0  # before the next sample while served time is in doubt
GATHERED_EVERY_S = 3600.0
HURRIED_S = 128.0  # between look-ups while there are not enough servers for one sample
PANIC_PERIOD_S = 3600.0
"""The whole pool is asked at most so often, whoever wants it to be."""
UNCONFIRMED_S = LISTED_S
"""For how long an alarm of before a restart stands: those who gave it count no longer then."""
_BUSY = 0.25  # at most so much of the interval is spent on a sample
_NOTHING = Finding(verdict=Verdict.SILENT, asked=0, answered=0)
_random = random.SystemRandom()  # no seed: nobody should guess whom we ask, and when


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """How the watchdog asks and judges, in the terms of RFC 9523.

    Attributes:
        sample_size: servers asked at once (m).
        interval_s: time between samples, on average.
        w_ns: how far an honest server's time, as seen from here, may be from UTC (w).
        panic_trigger: samples that fail in a row before the whole pool is asked (K).
        terms: of each question.
    """

    sample_size: int
    interval_s: float
    w_ns: int
    panic_trigger: int
    terms: Terms


Served = Callable[[int], "tuple[int, int] | None"]
"""Served time (UTC, ns) at a reading of CLOCK_MONOTONIC_RAW of a moment ago, and its bound (ns)."""


class Watch:
    """Watches served time until cancelled.

    Args:
        pool: whom it asks.
        settings: how.
        served: what is watched; None while there is no time.
        changed: called whenever an alarm begins or ends.
        save: called whenever there is something new that :meth:`saved` would tell.
        read_raw_ns: CLOCK_MONOTONIC_RAW.
    """

    def __init__(
        self,
        pool: Pool,
        settings: WatchSettings,
        served: Served,
        changed: Callable[[], None],
        *,
        save: Callable[[], None] = lambda: None,
        read_raw_ns: Callable[[], int] = raw_now_ns,
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._served = served
        self._changed = changed
        self._save = save
        self._read_raw_ns = read_raw_ns
        self._tally = Tally(settings.panic_trigger)
        self._panicked_s = float("-inf")  # by the loop's clock, as the next
        self._alarmed_s = float("-inf")  # when the panic began that gave the alarm
        self._found_raw_ns: int | None = None
        self._failure = ""
        self._logged: set[Verdict] = set()  # since the last agreement
        self._blind = False  # and that was logged

    async def run(self) -> None:
        """Gather servers and ask them until cancelled."""
        async with Tasks() as tasks:
            tasks.spawn(lambda: self._noting(self._gather), "watchdog: gathering servers")
            tasks.spawn(lambda: self._noting(self._watch), "watchdog: asking servers")
            await asyncio.get_running_loop().create_future()

    @property
    def alarm(self) -> Finding | None:
        """What the whole pool said when it contradicted served time; None without alarm."""
        return self._tally.alarm

    def configure(self, settings: WatchSettings) -> None:
        """Take other settings, for the next run."""
        self._settings = settings
        self._tally.panic_trigger = settings.panic_trigger

    def saved(self) -> SavedWatch:
        """What is worth saving for a restart."""
        now_s = asyncio.get_running_loop().time()
        has_panicked = math.isfinite(self._panicked_s)
        return SavedWatch(
            pool=self._pool.saved(),
            alarm=self.alarm,
            alarm_age_s=now_s - self._alarmed_s if self.alarm is not None else 0.0,
            panic_age_s=now_s - self._panicked_s if has_panicked else None,
        )

    def restore(self, saved: SavedWatch, elapsed_s: float) -> None:
        """Go on from what was saved; for before the first run.

        An alarm stands again, unless it is too old, or everybody who could end it is.

        Args:
            saved: of this watch or another.
            elapsed_s: time since.
        """
        before_s = asyncio.get_running_loop().time() - elapsed_s
        if saved.panic_age_s is not None:
            self._panicked_s = before_s - saved.panic_age_s
        if saved.alarm is not None:
            self._tally.restore(saved.alarm)
            self._alarmed_s = before_s - saved.alarm_age_s
        self._restore_pool(saved.pool, elapsed_s)
        self._drop_if_unconfirmed()
        if self.alarm is not None:
            words.log_alarm(self.alarm, from_before=True)

    def _restore_pool(self, saved: SavedPool, elapsed_s: float) -> None:
        try:
            self._pool.restore(saved, elapsed_s)
        except ValueError as error:
            logger.warning("the watchdog's pool is gathered anew: what was saved has %s", error)
            return
        if self.alarm is not None and not self._pool.is_checkable:
            self._drop("the watchdog has nobody left of its pool")

    def _drop_if_unconfirmed(self) -> None:
        """End an alarm of before that has waited for long enough."""
        age_s = asyncio.get_running_loop().time() - self._alarmed_s
        if self._tally.from_before and age_s >= UNCONFIRMED_S:
            self._drop(f"the watchdog could not check for {UNCONFIRMED_S / 86_400:.0f} days")

    def _drop(self, reason: str) -> None:
        self._tally.drop()
        words.log_dropped(reason)

    async def _noting(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Remember by which mistake the work has ended, for status; it will begin again."""
        try:
            await work()
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"
            raise

    async def _gather(self) -> None:
        while True:
            known = self._pool.changes
            await self._pool.gather(self._settings.sample_size)
            if self._pool.changes != known:
                self._save()
            await asyncio.sleep(GATHERED_EVERY_S if self._enough else HURRIED_S)

    async def _watch(self) -> None:
        with stamping_kept_on():
            while True:
                await asyncio.sleep(self._pause_s())
                self._expire()
                if self._served(self._read_raw_ns()) is not None:
                    await self._look()

    def _expire(self) -> None:
        before = self._standing
        self._drop_if_unconfirmed()
        if self._standing != before:
            self._changed()
            self._save()

    @property
    def _enough(self) -> bool:
        return self._pool.usable(self._settings.sample_size) >= self._settings.sample_size

    def _pause_s(self) -> float:
        """Anything from half to one and a half intervals; less while served time is in doubt."""
        tally, interval_s = self._tally, self._settings.interval_s
        doubtful = tally.last is None or tally.failures > 0
        if doubtful and (self._may_panic or not tally.panics_next):
            return min(RESAMPLE_S, interval_s) * _random.uniform(1.0, 2.0)
        return interval_s * _random.uniform(0.5, 1.5)

    @property
    def _may_panic(self) -> bool:
        since_s = asyncio.get_running_loop().time() - self._panicked_s
        return since_s >= PANIC_PERIOD_S

    async def _look(self) -> None:
        """Ask a sample, or, where samples have failed, the whole pool; nobody if there are few."""
        before, known, size = self._standing, self._pool.changes, self._settings.sample_size
        panics = self._tally.panics_next and self._may_panic
        members = self._pool.whole() if panics else self._pool.sample(size)
        if len(members) < size:
            self._miss_servers()
            return
        if panics:
            self._panicked_s = asyncio.get_running_loop().time()
            self._save()  # before asking: whatever ends the daemon meanwhile, the hour has begun
        finding = await self._ask(members)
        self._take(finding, panics=panics)
        self._found_raw_ns, self._failure = self._read_raw_ns(), ""
        self._log(finding, panics=panics, is_new=self._standing != before)
        if self._standing != before:
            self._changed()
        if panics or self._standing != before or self._pool.changes != known:
            self._save()

    def _miss_servers(self) -> None:
        """Log that there are too few now; at the start there are too few as a rule."""
        if self._tally.last is not None and not self._enough:
            self._log_blind(self._few(), "few")

    def _log_blind(self, why: str, reason: str) -> None:
        if not self._blind:
            self._blind = True
            words.log_blind(why, reason)

    def _log_sight(self, finding: Finding) -> None:
        if finding.verdict is Verdict.SILENT:
            self._log_blind(words.of_blindness(finding), finding.verdict.value)
        elif self._blind and finding.verdict is not Verdict.DIVIDED:
            self._blind = False
            words.log_sees()

    def _take(self, finding: Finding, *, panics: bool) -> None:
        if not panics:
            self._tally.sampled(finding)
            return
        self._tally.panicked(finding)
        if finding.verdict is Verdict.CONTRADICTS:
            self._alarmed_s = self._panicked_s

    @property
    def _standing(self) -> tuple[bool, bool]:
        """Whether there is an alarm, and whether it is of before a restart."""
        return self.alarm is not None, self._tally.from_before

    def _log_standing(self) -> None:
        if self.alarm is None:
            words.log_content()
        else:
            words.log_alarm(self.alarm)

    def _log(self, finding: Finding, *, panics: bool, is_new: bool) -> None:
        """Say once what many findings in a row say; an agreement begins anew."""
        logger.debug("%s", finding)
        self._log_sight(finding)
        if is_new:
            self._log_standing()
        if finding.verdict is Verdict.AGREES:
            self._logged.clear()
        if finding.verdict in self._logged:
            return
        if finding.verdict is Verdict.CONTRADICTS and self.alarm is None:
            words.log_doubt(finding)
            self._logged.add(finding.verdict)
        elif finding.verdict is Verdict.DIVIDED and panics:
            self._blind = True
            words.log_divided(finding)
            self._logged.add(finding.verdict)

    async def _ask(self, members: Collection[Member]) -> Finding:
        answers = [each async for each in self._answers(members)]
        return judge(answers, asked=len(members), w_ns=self._settings.w_ns)

    async def _answers(self, members: Iterable[Member]) -> AsyncIterator[Compared]:
        settings = self._settings
        spacing_s = min(SPACING_S, _BUSY * settings.interval_s / settings.sample_size)
        for member in members:
            await asyncio.sleep(spacing_s * _random.uniform(0.5, 1.5))
            answer = await self._pool.ask(member, settings.terms)
            compared = self._compared(answer.measurement)
            if compared is not None:
                yield compared

    def _compared(self, measurement: Measurement | None) -> Compared | None:
        served = self._served(measurement.raw_ns) if measurement is not None else None
        if measurement is None or served is None:
            return None
        utc_ns, bound_ns = served
        return Compared(measurement.raw_ns + measurement.offset_ns - utc_ns, bound_ns)

    def report(self) -> dict[str, Any]:
        """What it has found, for status."""
        tally, found = self._tally, self._found_raw_ns
        last = tally.last or _NOTHING
        return {
            "alarm": tally.alarm is not None,
            "alarm_from_before": tally.from_before,
            "verdict": last.verdict.value if tally.last else None,
            "asked": last.asked,
            "answered": last.answered,
            "offset_s": words.seconds(last.mean_ns),
            "spread_s": words.seconds(last.spread_ns),
            "allowed_s": words.seconds(last.allowed_ns),
            "age_s": None if found is None else (self._read_raw_ns() - found) * 1e-9,
            "pool": len(self._pool),
            "samples": {verdict.value: n for verdict, n in tally.samples.items()},
            "panics": tally.panics,
            "alarms": tally.alarms,
            "problem": self._problem(),
        }

    def _problem(self) -> str:
        if self.alarm is not None:
            return words.of_alarm(self.alarm, from_before=self._tally.from_before)
        if self._failure:
            return f"the watchdog failed by a mistake in ChronoTick, see the log: {self._failure}"
        if not self._enough:
            return self._few()
        return words.of_blindness(self._tally.last)

    def _few(self) -> str:
        pool, needed = self._pool, self._settings.sample_size
        return words.of_few(
            pool.usable(needed),
            needed,
            silenced=len(pool.silenced),
            by_dns=pool.grows,
            error=pool.error,
        )
