"""Asks a time server by NTS: gets keys when they are needed, spends a cookie on each question."""

from __future__ import annotations

import dataclasses
import ssl
import time
from collections import Counter
from pathlib import Path

from chronotick.config.servers import NTP_PORT, AddressError, ServerName, parse_server
from chronotick.ntp.address import Endpoint, ResolveError, resolve
from chronotick.ntp.asking import Answer, Terms
from chronotick.ntp.exchange import Outcome, Query, run_exchange
from chronotick.ntp.nts.errors import KeyExchangeError, NtsDrop
from chronotick.ntp.nts.key_exchange import exchange_keys, prepare
from chronotick.ntp.nts.records import Grant
from chronotick.ntp.nts.retry import Retry
from chronotick.ntp.nts.session import Session

SESSION_S = 28 * 86_400.0
"""Age from which keys are replaced: nothing that leaked opens the packets of more than that."""


class NtsAsker:
    """Asks one server.

    A key exchange is done before the first question, when all cookies have been used up by
    questions without an answer, when the server did not accept the last cookie (its keys have
    changed), and when the keys are old. Until it succeeds, remaining cookies are used: who forges a
    refusal gains nothing by it.

    Args:
        endpoint: the server for keys, with its name.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session: Session | None = None
        self._retry = Retry()
        self._trusted_certs: Path | None = None
        self._trouble = ""
        self._previous_transmit: int | None = None

    async def ask(self, terms: Terms) -> Answer:
        """Do one exchange, after a key exchange where one is due."""
        drops: Counter[str] = Counter()
        try:
            session = await self._ready(terms)
        except KeyExchangeError as error:
            drops[error.drop.value] += 1
            if self._session is None or not self._session.cookies:
                return Answer(drops=drops, error=str(error))
            session = self._session
        outcome = await self._exchange(session, terms)
        drops.update({drop.value: count for drop, count in outcome.drops.items()})
        return Answer(
            measurement=outcome.reply.measurement if outcome.reply else None,
            drops=drops,
            kiss=outcome.kiss,
            error="; ".join(filter(None, (outcome.error, outcome.error and self._trouble))),
        )

    async def _ready(self, terms: Terms) -> Session:
        session, now_s = self._session, time.monotonic()
        if session is not None and not _spent(session, now_s):
            return session
        if terms.trusted_certs != self._trusted_certs:  # somebody has seen to it
            self._retry, self._trusted_certs = Retry(), terms.trusted_certs
        wait_s = self._retry.wait_s(now_s)
        if wait_s:
            reason = self._trouble or "the last ones brought no reply"
            raise KeyExchangeError(NtsDrop.WAITING, f"{reason} (next attempt in {wait_s:.0f} s)")
        context = prepare(terms.trusted_certs)
        self._retry.attempted(now_s)
        self._session = await self._new_session(context, now_s)
        return self._session

    async def _new_session(self, context: ssl.SSLContext, now_s: float) -> Session:
        try:
            agreed = await exchange_keys(self._endpoint, context)
            endpoint = await _time_server(self._endpoint, agreed.grant)
        except KeyExchangeError as error:
            self._trouble = str(error)
            raise
        self._trouble = ""
        return Session(endpoint, agreed.keys, agreed.grant.cookies, began_s=now_s)

    async def _exchange(self, session: Session, terms: Terms) -> Outcome:
        seal = session.next_exchange()
        query = Query(
            endpoint=session.endpoint,
            timeout_s=terms.timeout_s,
            max_delay_ns=terms.max_delay_ns,
            previous_transmit=self._previous_transmit,
            kernel_stamps=terms.kernel_stamps,
            seal=seal,
        )
        outcome = await run_exchange(query)
        session.finished(seal)
        if seal.authenticated and not self._trouble:  # by the keys of the last attempt, that is
            self._retry.succeeded()
        if outcome.reply is None:
            return outcome
        self._previous_transmit = outcome.reply.packet.transmit_timestamp
        return _named(outcome, str(self._endpoint))


def _spent(session: Session, now_s: float) -> bool:
    return session.refused or not session.cookies or now_s - session.began_s > SESSION_S


def _named(outcome: Outcome, source: str) -> Outcome:
    """The outcome under the name of the server as configured, wherever its time server is."""
    assert outcome.reply is not None  # noqa: S101  # for the type checker
    measurement = dataclasses.replace(outcome.reply.measurement, source=source)
    return dataclasses.replace(
        outcome, reply=dataclasses.replace(outcome.reply, measurement=measurement)
    )


async def _time_server(keys_from: Endpoint, grant: Grant) -> Endpoint:
    """Where the time server is: by default where the keys came from (RFC 8915, 4.1.7 and 4.1.8).

    Raises:
        KeyExchangeError: its name means nothing here.
    """
    host = grant.server or keys_from.host
    if not _is_host(host):
        raise KeyExchangeError(NtsDrop.ADDRESS, f"{host!r} is neither a host name nor an address")
    try:
        found = await resolve(ServerName(host, grant.port or NTP_PORT))
    except ResolveError as error:
        raise KeyExchangeError(NtsDrop.ADDRESS, f"{host}: {error.reason}") from None
    return min(found, key=lambda each: each.family != keys_from.family)


def _is_host(text: str) -> bool:
    """Whether a text is a name or an address alone, as the configuration reads it."""
    try:
        return parse_server(text) == ServerName(text, NTP_PORT)
    except AddressError:
        return False
