"""A server's message of the NTS key exchange, in pieces as a network may cut it."""

from __future__ import annotations

import contextlib

from chronotick.ntp.nts.errors import KeyExchangeError
from chronotick.ntp.nts.records import (
    LONGEST_COOKIE,
    LONGEST_MESSAGE,
    MOST_COOKIES,
    REQUEST,
    Record,
    RecordReader,
    read_grant,
)
from fuzz.oracle import require

_REPEATED = 0xF0


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Read a message whole and in pieces, and what it grants.

    Raises:
        Finding: it is not read as it was written, or a grant breaks a promise.
    """
    how, message = (data[0] if data else 0), data[1:]
    if how >= _REPEATED and message:  # long ones are beyond what a fuzzer makes byte by byte
        message *= LONGEST_MESSAGE // len(message)
    whole, cut = _read(message, len(message)), _read(message, 1 + how % 64 + len(message) // 16)
    require(whole[0] == cut[0], "how a message is cut does not matter")
    records, complete = whole
    if complete:
        require(_as_on_the_wire(records, message), "records are packed as they were read")
    try:
        grant = read_grant(records)
    except KeyExchangeError as error:
        require(str(error), "a refusal has words")
        return
    require(0 < len(grant.cookies) <= MOST_COOKIES, "one to eight cookies are granted")
    require(all(0 < len(each) <= LONGEST_COOKIE for each in grant.cookies), "none is too long")
    require(grant.port is None or 0 < grant.port < 2**16, "a port is one")


def _read(message: bytes, piece: int) -> tuple[list[Record], bool]:
    reader = RecordReader()
    with contextlib.suppress(KeyExchangeError):  # it does not end
        for start in range(0, len(message), max(piece, 1)):
            reader.feed(message[start : start + piece])
    return reader.records, reader.complete


def _as_on_the_wire(records: list[Record], message: bytes) -> bool:
    return message.startswith(b"".join(record.pack() for record in records))


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    granted = b"".join(
        record.pack()
        for record in (Record(5, b"c" * 100), Record(6, b"time.example"), Record(7, b"\0\x7b"))
    )
    body = REQUEST[:-4]
    return {
        "request": b"\7" + REQUEST,
        "grant": b"\3" + body + granted + REQUEST[-4:],
        "refusal": b"\1" + Record(2, b"\0\1").pack(),
        "warning": b"\1" + Record(3, b"\0\1").pack(),
        "long": b"\xf1\x80\2\x0f\xff" + b"\1" * 60,
        "endless": b"\xf5" + Record(5, b"c" * 8).pack(),
    }
