"""Asks a time server with a key, which is read from its file for each question."""

from __future__ import annotations

import dataclasses
from collections import Counter

from chronotick.ntp.address import Endpoint
from chronotick.ntp.asking import Answer, NtpAsker, Terms
from chronotick.ntp.checks import Drop
from chronotick.ntp.keys.keyfile import KeyFileError, read_key
from chronotick.ntp.keys.seal import KeySeal


class KeyAsker:
    """Asks one server.

    A file that was changed counts from the next question on; one that cannot be used is told as
    the answer to each, until somebody has mended it.

    Args:
        endpoint: its address, with the number of the key.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._key_id = endpoint.key_id
        self._asker = NtpAsker(endpoint)

    async def ask(self, terms: Terms) -> Answer:
        """Do one exchange."""
        try:
            seal = self._seal(terms)
        except KeyFileError as error:
            return Answer(drops=Counter([Drop.KEY.value]), error=str(error))
        answer = await self._asker.ask(terms, seal)
        if Drop.TIMEOUT.value not in answer.drops:
            return answer
        silence = (
            f"{answer.error}. A server that does not have key {self._key_id}, or has another "
            "under that number, does not answer"
        )
        return dataclasses.replace(answer, error=silence)

    def _seal(self, terms: Terms) -> KeySeal:
        if terms.key_file is None:
            raise KeyFileError("clock_measurement.ntp.key_file is not set")
        return KeySeal(read_key(terms.key_file, self._key_id))
