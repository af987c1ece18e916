"""Why there are no keys for a server."""

from __future__ import annotations

from typing import final

from chronotick.ntp.worded import Worded


@final
class NtsDrop(Worded):
    """Why a key exchange failed, or why there was none."""

    PACKAGES = "nts-packages", "this needs more packages. Run: pip install 'chronotick[nts]'"
    CONNECTION = "nts-connection", "the server for NTS keys cannot be reached"
    TIMEOUT = "nts-timeout", "the exchange of NTS keys took too long"
    TLS = "nts-tls", "the server for NTS keys does not speak TLS 1.3 as it must"
    TRUST = "nts-trust", "the certificates to trust cannot be read"
    CERTIFICATE = "nts-certificate", "the certificate of the server for NTS keys is not accepted"
    PROTOCOL = "nts-protocol", "the server for NTS keys does not keep to RFC 8915"
    REFUSED = "nts-keys-refused", "the server for NTS keys refuses"
    ADDRESS = "nts-address", "the time server that belongs to the NTS keys has no address"
    WAITING = "nts-waiting", "no NTS keys"


class KeyExchangeError(Exception):
    """Raised when a key exchange gave no keys. The message says why, and what to do.

    Attributes:
        drop: the kind of failure.
    """

    def __init__(self, drop: NtsDrop, detail: str = "") -> None:
        super().__init__(f"{drop.words}: {detail}" if detail else drop.words)
        self.drop = drop
