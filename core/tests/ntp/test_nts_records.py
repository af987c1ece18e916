from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.nts.errors import KeyExchangeError, NtsDrop
from chronotick.ntp.nts.records import (
    LONGEST_COOKIE,
    LONGEST_MESSAGE,
    REQUEST,
    Grant,
    Kind,
    Record,
    RecordReader,
    read_grant,
)

NTPV4 = Record(Kind.NEXT_PROTOCOL, b"\0\0")
AES_SIV = Record(Kind.AEAD, b"\0\x0f", critical=False)
COOKIE = Record(Kind.COOKIE, b"c" * 100, critical=False)
END = Record(Kind.END)
GOOD = (NTPV4, AES_SIV, COOKIE, COOKIE, END)

records = st.builds(
    Record, st.integers(0, 9) | st.integers(0, 0x7FFF), st.binary(max_size=40), st.booleans()
)


def read(data: bytes) -> RecordReader:
    reader = RecordReader()
    reader.feed(data)
    return reader


def wire(*sent: Record) -> bytes:
    return b"".join(record.pack() for record in sent)


def test_the_request_is_that_of_the_rfc() -> None:
    """NTPv4, AEAD_AES_SIV_CMAC_256, end of message, all critical."""
    assert REQUEST.hex() == "80010002" + "0000" + "80040002" + "000f" + "80000000"


def test_a_message_comes_in_any_pieces() -> None:
    reader = RecordReader()
    for byte in wire(*GOOD):
        assert not reader.complete
        reader.feed(bytes([byte]))
    assert reader.complete
    assert tuple(reader.records) == GOOD
    reader.feed(b"whatever follows")
    assert tuple(reader.records) == GOOD


def test_a_message_that_does_not_end_is_refused() -> None:
    reader = RecordReader()
    piece = wire(COOKIE)
    for _ in range(LONGEST_MESSAGE // len(piece)):
        reader.feed(piece)
    with pytest.raises(KeyExchangeError, match="does not end within 16384 bytes"):
        reader.feed(piece)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_read_as_records(data: bytes, size: int) -> None:
    """Whatever the pieces; what is read says what was sent."""
    reader = RecordReader()
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    assert data.startswith(wire(*reader.records))


@given(st.lists(records, max_size=8).map(lambda found: [*found, END]))
def test_records_are_read_as_they_were_written(sent: list[Record]) -> None:
    reader = read(wire(*sent))
    assert reader.complete
    first_end = next(i for i, record in enumerate(sent) if record.kind == Kind.END)
    assert reader.records == sent[: first_end + 1]


@given(st.lists(records, max_size=6), st.permutations(GOOD[:3]))
def test_any_records_are_a_grant_or_one_sentence(found: list[Record], good: list[Record]) -> None:
    try:
        grant = read_grant([*found, *good])
    except KeyExchangeError as error:
        assert error.drop in {NtsDrop.PROTOCOL, NtsDrop.REFUSED}  # noqa: PT017 - or it is a grant
    else:
        assert 1 <= len(grant.cookies) <= 8


def test_a_grant_may_name_another_server_and_port() -> None:
    named = Record(Kind.SERVER, b"time.example.org"), Record(Kind.PORT, b"\x2b\x67")
    assert read_grant([*GOOD, *named]) == Grant(
        cookies=(COOKIE.body, COOKIE.body), server="time.example.org", port=11111
    )
    assert read_grant(GOOD) == Grant(cookies=(COOKIE.body, COOKIE.body))


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.WARNING])
def test_a_refusal_of_any_length_is_a_refusal(kind: Kind) -> None:
    """A code of thousands of digits could not be written into the message (found by fuzzing)."""
    with pytest.raises(KeyExchangeError, match=r"refuses: .*257$"):
        read_grant([Record(kind, b"\1" * 4000)])


def test_no_more_than_eight_cookies_are_kept() -> None:
    assert len(read_grant([NTPV4, AES_SIV, *[COOKIE] * 20]).cookies) == 8


def test_unknown_records_are_passed_over_unless_they_are_critical() -> None:
    strange = Record(0x4000, b"?", critical=False)
    assert read_grant([*GOOD, strange]) == read_grant(GOOD)
    with pytest.raises(KeyExchangeError, match="insists on a record of type 16384"):
        read_grant([*GOOD, Record(0x4000, b"?")])


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ((AES_SIV, COOKIE), "0 records of type 1"),
        ((NTPV4, COOKIE), "0 records of type 4"),
        ((NTPV4, AES_SIV), "gave no cookie"),
        ((NTPV4, NTPV4, AES_SIV, COOKIE), "2 records of type 1"),
        ((Record(Kind.NEXT_PROTOCOL, b""), AES_SIV, COOKIE), "does not offer NTPv4"),
        ((Record(Kind.NEXT_PROTOCOL, b"\x80\0"), AES_SIV, COOKIE), "does not offer NTPv4"),
        ((NTPV4, Record(Kind.AEAD, b"\0\x1e"), COOKIE), "does not offer AEAD_AES_SIV_CMAC_256"),
        ((*GOOD, Record(Kind.COOKIE, b"")), "a cookie does not have 1 to 1024 bytes"),
        ((*GOOD, Record(Kind.COOKIE, bytes(LONGEST_COOKIE + 1))), "1 to 1024 bytes"),
        ((*GOOD, Record(Kind.SERVER, b"\xc3\xa4")), "not ASCII"),
        ((*GOOD, Record(Kind.PORT, b"\0\0")), "port of its time server is none"),
        ((*GOOD, Record(Kind.PORT, b"\x7b")), "port of its time server is none"),
        ((Record(Kind.ERROR, b"\0\1"),), "refuses: it calls our request bad"),
        ((*GOOD, Record(Kind.ERROR, b"\x12\x34")), "refuses: error 4660"),
        ((*GOOD, Record(Kind.ERROR, b"")), "refuses: "),
        ((*GOOD, Record(Kind.WARNING, b"\0\7")), "warns with code 7"),
    ],
)
def test_what_is_no_grant_is_refused_with_its_reason(sent: tuple[Record, ...], words: str) -> None:
    with pytest.raises(KeyExchangeError, match=words):
        read_grant(sent)
