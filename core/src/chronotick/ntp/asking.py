"""How a source is asked: a question, what it came to, and one kind of asker for each protocol.

:class:`~chronotick.ntp.source.Source` decides when to ask and what follows from the answer; what
goes over the wire is an asker's affair. :mod:`chronotick.ntp.nts`, :mod:`chronotick.ntp.keys` and
:mod:`chronotick.ntp.chronyd` have the other kinds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chronotick.ntp.address import Endpoint
from chronotick.ntp.exchange import Query, Seal, run_exchange
from chronotick.ntp.measurement import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the configuration says about a question.

    Attributes:
        timeout_s: how long a reply is waited for.
        max_delay_ns: longest delay accepted.
        kernel_stamps: False measures with user-space stamps (for comparison).
        trusted_certs: certificates that alone are trusted with NTS, a file or a directory; None:
            the system's.
        key_file: symmetric keys; None: there are none.
    """

    timeout_s: float
    max_delay_ns: int
    kernel_stamps: bool = True
    trusted_certs: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a question came to.

    Attributes:
        measurement: what the reply says about the clock, None where there was none.
        drops: what was dropped, counted by reason, the failure of the whole question included.
        kiss: the kiss code received, if any.
        error: the failure in words, empty where there was a reply.
    """

    measurement: Measurement | None = None
    drops: Counter[str] = field(default_factory=Counter)
    kiss: str | None = None
    error: str = ""


class Asker(Protocol):
    """Asks one endpoint, again and again; what it has to remember between questions it keeps."""

    async def ask(self, terms: Terms) -> Answer:
        """Ask once. Whatever goes wrong on the way is an answer, not an exception."""


class NtpAsker:
    """Asks an NTP server.

    Args:
        endpoint: its address.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._previous_transmit: int | None = None

    async def ask(self, terms: Terms, seal: Seal | None = None) -> Answer:
        """Do one exchange.

        Args:
            terms: how.
            seal: authenticates it; None asks in plain NTP.
        """
        query = Query(
            endpoint=self._endpoint,
            timeout_s=terms.timeout_s,
            max_delay_ns=terms.max_delay_ns,
            previous_transmit=self._previous_transmit,
            kernel_stamps=terms.kernel_stamps,
            seal=seal,
        )
        outcome = await run_exchange(query)
        if outcome.reply is not None:
            self._previous_transmit = outcome.reply.packet.transmit_timestamp
        return Answer(
            measurement=outcome.reply.measurement if outcome.reply else None,
            drops=Counter({drop.value: count for drop, count in outcome.drops.items()}),
            kiss=outcome.kiss,
            error=outcome.error,
        )
