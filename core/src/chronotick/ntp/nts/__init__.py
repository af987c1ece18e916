"""NTS: time that nobody on the way can forge (RFC 8915, Network Time Security for NTP).

A key exchange over TLS names the server by its certificate and gives keys and cookies; each request
then carries one cookie and is authenticated, and so is each reply. The cookies hold the server's
state: it keeps none of its clients.

Needs the package `cryptography` (extra ``nts``), imported at the first key exchange.
"""

from chronotick.ntp.nts.asker import NtsAsker
from chronotick.ntp.nts.errors import KeyExchangeError, NtsDrop

__all__ = ["KeyExchangeError", "NtsAsker", "NtsDrop"]
