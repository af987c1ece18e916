"""One server address: asks it, remembers its last answers and how reliable it is."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chronotick.config.servers import Protocol
from chronotick.ntp.address import Endpoint
from chronotick.ntp.answers import REACH_BITS, Answers
from chronotick.ntp.asking import Answer, Asker, NtpAsker, Terms
from chronotick.ntp.chronyd import ChronydAsker
from chronotick.ntp.clock_filter import filter_samples
from chronotick.ntp.drift import Drift
from chronotick.ntp.keys import KeyAsker
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.packet import NS_PER_S, reference_id_text
from chronotick.ntp.poll import Poll, PollLimits
from chronotick.ntp.report import SourceReport
from chronotick.ntp.selection import Reason
from chronotick.ntp.tasks import Alarm
from chronotick.ntp.timestamps import read_pair

logger = logging.getLogger("chronotick.ntp")

_REFUSALS = frozenset({"DENY", "RSTR"})
_FAULTS = frozenset({"key", "nts-packages", "nts-trust"})
"""Drops that are this host's own fault, for certain: no packet was sent, and none will be."""


def _nts_asker(endpoint: Endpoint) -> Asker:
    from chronotick.ntp.nts import NtsAsker  # TLS is imported where somebody wants it

    return NtsAsker(endpoint)


_ASKERS: Mapping[Protocol, Callable[[Endpoint], Asker]] = MappingProxyType(
    {
        Protocol.NTP: NtpAsker,
        Protocol.KEY: KeyAsker,
        Protocol.NTS: _nts_asker,
        Protocol.CHRONYD: ChronydAsker,
    }
)


def asker_of(endpoint: Endpoint) -> Asker:
    """Return who asks an endpoint, in its protocol."""
    return _ASKERS[endpoint.protocol](endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings(Terms):
    """What the configuration says about asking a server, and about when.

    Attributes:
        poll: intervals.
    """

    poll: PollLimits


class Source:
    """One server address.

    Args:
        name: the server as configured.
        endpoint: its address.
        settings: how it is asked.
        burst: whether to begin with a burst.
        finished: called after every exchange, with the measurement if there was one.

    Attributes:
        answers: what it has answered lately: what selection goes by.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        settings: SourceSettings,
        *,
        burst: bool,
        finished: Callable[[Source, Measurement | None], None],
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.id = str(endpoint)
        self.answers = Answers(self.id)
        self.drops: Counter[str] = Counter()
        self.last_error = ""
        self._fault = ""
        self._settings = settings
        self._finished = finished
        self._poll = Poll(settings.poll, burst=burst)
        self._asker = asker_of(endpoint)
        self._last: Measurement | None = None
        self._alarm = Alarm()

    async def run(self) -> None:
        """Ask until cancelled, or until the server has refused service and gone silent."""
        while not self.demobilised:
            began_s = time.monotonic()
            await self.ask()
            await self._alarm.wait(began_s + self._poll.next_pause_s() - time.monotonic())

    async def ask(self) -> None:
        """Ask once and take in the answer."""
        answer = await self._asker.ask(self._settings)
        self._take(answer)
        self._finished(self, answer.measurement)

    def _take(self, answer: Answer) -> None:
        self.drops += answer.drops
        self._mind_fault(answer)
        if answer.kiss == "RATE":
            self._poll.slow_down()
        if answer.measurement is None:
            self.last_error = answer.error
            self.answers.missed(refused=answer.kiss in _REFUSALS)
            self._poll.failed()
        else:
            self._last = answer.measurement
            self.answers.take(answer.measurement)
            self._poll.replied()

    def _mind_fault(self, answer: Answer) -> None:
        """Log at once what keeps the server from being asked: selection only sees it as silent.

        That takes eight questions, which can be two hours, and nobody else is at fault here.
        """
        here = answer.measurement is None and not _FAULTS.isdisjoint(answer.drops)
        before, self._fault = self._fault, answer.error if here else ""
        if self._fault == before:
            return
        if self._fault:
            logger.warning("%s%s: cannot be asked: %s", self.id, self.named, self._fault)
        else:
            logger.info("%s%s: can be asked again", self.id, self.named)

    @property
    def named(self) -> str:
        """The name as configured, in brackets behind a space; empty where it is the identifier."""
        return "" if self.name == self.id else f" ({self.name})"

    @property
    def demobilised(self) -> bool:
        """The server refused service, and gave no valid reply to eight questions either.

        One forged DENY must not silence a source, so the kiss alone is not enough.
        """
        return self.answers.refused and self.answers.unanswered >= REACH_BITS

    @property
    def exhausted(self) -> bool:
        """Another eight questions went without a valid reply: time to look for another address."""
        unanswered = self.answers.unanswered
        return unanswered > 0 and unanswered % REACH_BITS == 0

    def burst(self) -> None:
        """Ask quickly again from now on."""
        self._poll.burst()
        self._alarm.ring()

    def feedback(self, normalised_innovation: float) -> None:
        """Adapt the poll interval: see :mod:`chronotick.ntp.poll`."""
        self._poll.feedback(normalised_innovation)

    def configure(self, settings: SourceSettings) -> None:
        """Use other settings from the next exchange on; everything learnt is kept."""
        self._settings = settings
        self._poll.set_limits(settings.poll)
        self._alarm.ring()

    def report(self, reason: Reason, drift: Drift) -> SourceReport:
        """Describe the source as it is now."""
        pair = read_pair()
        filtered = filter_samples(self.answers.samples, drift, pair.raw_ns)
        last = self._last
        system_ns = pair.realtime_ns - pair.raw_ns
        return SourceReport(
            id=self.id,
            name=self.name,
            address=self.endpoint.host,
            port=self.endpoint.port,
            reason=reason,
            poll_s=self._poll.interval_s,
            reach=self.answers.reach,
            drops=dict(sorted(self.drops.items())),
            last_error=self.last_error,
            stratum=last.stratum if last else None,
            reference_id=reference_id_text(last.reference_id, last.stratum) if last else "",
            stamps=last.stamps if last else None,
            authenticated=last.authenticated if last else False,
            age_s=(pair.raw_ns - last.raw_ns) / NS_PER_S if last else None,
            offset_ns=filtered.offset_ns if filtered else None,
            system_offset_ns=filtered.offset_ns - system_ns if filtered else None,
            delay_ns=filtered.best.delay_ns if filtered else None,
            jitter_ns=filtered.jitter_ns if filtered else None,
            root_distance_ns=filtered.root_distance_ns if filtered else None,
        )
