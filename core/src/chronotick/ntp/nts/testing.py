"""For tests and benchmarks: an authority, its certificates, and a chronyd that speaks NTS."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chronotick.ntp.testing import running_chronyd

NAME = "localhost"
ADDRESSES = ("127.0.0.1", "::1")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Files:
    """Where a server finds its certificate.

    Attributes:
        certificate: PEM.
        key: PEM.
    """

    certificate: Path
    key: Path


class Authority:
    """Signs certificates.

    Args:
        folder: where everything is written.

    Attributes:
        certificate: its own certificate, PEM: what clients trust.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _named("ChronoTick test authority")
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = _begun(self._subject, self._subject, self._key, since=_now() - _DAY)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        builder = builder.add_extension(self._identifier, critical=False)
        self.certificate = folder / "authority.pem"
        self.certificate.write_bytes(_signed(builder, self._key))

    def issue(
        self,
        name: str = NAME,
        addresses: tuple[str, ...] = ADDRESSES,
        *,
        since: timedelta = -_DAY,
        until: timedelta = _DAY,
    ) -> Files:
        """Write a certificate and its key.

        Args:
            name: DNS name of the server.
            addresses: its addresses.
            since: begin of its validity, from now.
            until: end.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name), *(x509.IPAddress(ipaddress.ip_address(a)) for a in addresses)]
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier)
        builder = _begun(_named(name), self._subject, key, since=_now() + since, until=until)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(authority, critical=False)
        certificate = _signed(builder, self._key)
        number = len(list(self._folder.iterdir()))
        files = Files(self._folder / f"{number}.pem", self._folder / f"{number}.key")
        files.certificate.write_bytes(certificate)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files


def _now() -> datetime:
    return datetime.now(tz=timezone.utc)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    since: datetime,
    until: timedelta = 2 * _DAY,
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=since,
        not_valid_after=_now() + until,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a chronyd with NTS listens on 127.0.0.1 and ::1.

    Attributes:
        keys: TCP, gives keys.
        time: UDP, tells the time.
    """

    keys: int
    time: int


def free_tcp_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running_nts_chronyd(
    files: Files, *directives: str, keys: int | None = None, time: int | None = None
) -> Iterator[Ports]:
    """Run a chronyd that speaks NTS; see :func:`chronotick.ntp.testing.running_chronyd`.

    Args:
        files: its certificate.
        directives: further lines of its configuration.
        keys: TCP port; by default a free one.
        time: UDP port; by default a free one.

    Raises:
        ChronydError: it is not installed or does not start.
    """
    chosen = keys or free_tcp_port()
    lines = (
        f"ntsserverkey {files.key}",
        f"ntsservercert {files.certificate}",
        f"ntsport {chosen}",
        "ntsprocesses 0",
    )
    with running_chronyd(*lines, *directives, port=time) as found:
        yield Ports(chosen, found)
