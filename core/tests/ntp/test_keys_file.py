"""Files of symmetric keys: what is read, what is refused, and that no secret is in a message."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.keys import KeyFileError, read_key
from chronotick.ntp.keys.keyfile import SHORTEST_SECRET
from chronotick.ntp.keys.mac import CIPHER_KEY_BYTES, HASHES, Key

GOOD = """\
# comments begin with any of four characters
! and
   ; may be
% indented

1 AES128 HEX:2b7e151628aed2a6abf7158809cf4f3c
\t2   AES256\tHEX:603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4\r
3 SHA1 ASCII:correct-horse
4 SHA512 correct-horse
4294967295 SHA3-256 HEX:00112233445566778899aabbccddeeff
6 MD5 correct-horse
7 correct-horse
8 SHA1 ASCII:tooshort!
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "keys", GOOD)


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


def refusal(path: Path, number: int = 1) -> str:
    with pytest.raises(KeyFileError) as raised:
        read_key(path, number)
    return str(raised.value)


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_keys_of_every_form_are_read(path: Path) -> None:
    assert read_key(path, 1) == Key(1, "AES128", bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    assert len(read_key(path, 2).secret) == 32
    assert read_key(path, 3) == Key(3, "SHA1", b"correct-horse")
    assert read_key(path, 4) == Key(4, "SHA512", b"correct-horse")
    assert read_key(path, 2**32 - 1).secret == bytes.fromhex("00112233445566778899aabbccddeeff")


@given(
    kind=st.sampled_from([*CIPHER_KEY_BYTES, *HASHES]),
    number=st.integers(1, 2**32 - 1),
    data=st.data(),
)
def test_a_key_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, kind: str, number: int, data: st.DataObject
) -> None:
    length = CIPHER_KEY_BYTES.get(kind)
    secret = data.draw(st.binary(min_size=length or SHORTEST_SECRET, max_size=length or 64))
    path = written(tmp_path_factory.getbasetemp() / "drawn", f"{number} {kind} HEX:{secret.hex()}")
    assert read_key(path, number) == Key(number, kind, secret)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1", "not of the form: ID [TYPE] [ASCII:|HEX:]KEY"),
        (
            "1 SHA1 secret-secret # ours",
            "not of the form: ID [TYPE] [ASCII:|HEX:]KEY. A comment needs a line of its own",
        ),
        ("1 secret secret-secret", "the key's type is none of AES128, AES256, SHA1, SHA256"),
        ("1 sha1 secret-secret", "the key's type is none of AES128, AES256, SHA1, SHA256"),
        ("1 SHA1 HEX:5ec", "behind HEX: stand no pairs of hexadecimal digits"),
        ("1 SHA1 HEX:secret-secret!", "behind HEX: stand no pairs of hexadecimal digits"),
        ("1 SHA1 HEX:s\N{LATIN SMALL LETTER E WITH ACUTE}cret", "behind HEX: stand no pairs"),
        ("1 SHA1 HEX:", "the key is empty"),
        ("1 SHA1 ASCII:", "the key is empty"),
        ("1 AES128 HEX:5ec5ec", "an AES128 key has 16 bytes: HEX: and 32 digits"),
        ("1 AES256 secret-secret", "an AES256 key has 32 bytes: HEX: and 64 digits"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_without_the_secret(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = written(tmp_path / "keys", f"# ours\n\n{line}\n9 SHA1 another-secret\n")
    message = refusal(path)
    assert message.startswith(f"{path}:3: {reason}")
    assert "ecret" not in message.removeprefix(str(path))
    assert "5ec" not in message.removeprefix(str(path))


@pytest.mark.parametrize(
    "line",
    [
        "secret-secret",
        "0 SHA1 secret-secret",
        "-1 SHA1 secret-secret",
        "4294967296 SHA1 secret-secret",
        "99999999999 SHA1 secret-secret",
        "secret SHA1 secret-secret",
        "\N{FULLWIDTH DIGIT ONE} SHA1 secret-secret",
    ],
)
def test_a_line_without_a_number_is_told_where_a_key_is_missing(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "keys", f"# ours\n\n{line}\n9 SHA1 another-secret\n")
    message = refusal(path)
    assert message == (
        f"{path}: there is no key 1. Mend {path}:3, which begins with no number from 1 to "
        "4294967295, or add the server's line of that number. A new key has to be on both: what "
        "`chronyc keygen 1 AES128` prints"
    )
    assert read_key(path, 9)


@pytest.mark.parametrize(
    "line",
    [
        "2 TIGER HEX:00112233445566778899",
        "2 WHIRLPOOL another-secret",
        "2 AES128 HEX:00",
        "2 SHA1 HEX:0",
        "2 SHA1 one two",
        "nothing of the kind",
        "2 SHA1 another-secret\n2 SHA1 another-secret",
    ],
)
def test_a_mistake_in_the_line_of_another_key_does_not_matter(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "keys", f"{line}\n1 SHA1 secret-secret\n{line}\n")
    assert read_key(path, 1) == Key(1, "SHA1", b"secret-secret")


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "keys", "1 SHA1 secret-secret\n2 SHA1 secret-two\n1 TIGER secret-3\n")
    assert refusal(path) == f"{path}:3: key 1 is there already. Remove one"


def test_a_key_that_is_not_there_is_told_with_where_it_has_to_be(path: Path) -> None:
    assert refusal(path, 11) == (
        f"{path}: there is no key 11. Add the server's line of that number. A new key has to be "
        "on both: what `chronyc keygen 11 AES128` prints"
    )


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = written(tmp_path / "keys", "\N{BYTE ORDER MARK}1 SHA1 secret-secret\n")
    assert read_key(path, 1) == Key(1, "SHA1", b"secret-secret")


def test_a_relative_path_is_told_with_the_directory_that_it_goes_by(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_key(Path(path.name), 1)
    assert refusal(Path(path.name), 8).startswith(f"{path}:13: key 8 is shorter")
    assert refusal(Path("none")).startswith(f"{tmp_path}/none: the keys cannot be read")
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert refusal(Path("keys")) == (
        "keys: there is no current directory (No such file or directory)"
    )


@pytest.mark.parametrize(
    ("number", "line", "reason"),
    [
        (6, 11, "is of type MD5, which is given up (RFC 8573)"),
        (7, 12, "is of type MD5, which is given up (RFC 8573)"),
        (8, 13, "is shorter than 10 bytes: it can be found by trying"),
    ],
)
def test_a_weak_key_may_stand_there_for_others_and_is_not_used(
    path: Path, number: int, line: int, reason: str
) -> None:
    assert refusal(path, number) == (
        f"{path}:{line}: key {number} {reason}. Here and on the server, write what "
        f"`chronyc keygen {number} AES128` prints"
    )


@pytest.mark.parametrize(("mode", "verb"), [(0o644, "read"), (0o604, "read"), (0o620, "change")])
def test_a_file_that_is_open_to_others_is_refused(path: Path, mode: int, verb: str) -> None:
    path.chmod(mode)
    assert refusal(path) == f"{path}: others may {verb} it. Run: chmod 640 {path}"


def test_a_group_may_read_the_file(path: Path) -> None:
    path.chmod(0o640)
    read_key(path, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_keys_that_another_user_could_choose_are_refused(path: Path) -> None:
    os.chown(path, 65534, -1)
    assert refusal(path) == (
        f"{path}: belongs to user 65534, who can change it. It must be root's or your own"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_root_may_be_shared_with_chronyds_group(path: Path) -> None:
    os.chown(path, 0, 65534)
    path.chmod(0o640)
    assert read_key(path, 1)


def test_what_is_no_file_of_keys_is_refused(tmp_path: Path) -> None:
    missing, pipe = tmp_path / "missing", tmp_path / "pipe"
    before = open_files()
    os.mkfifo(pipe, 0o600)
    assert refusal(missing) == f"{missing}: the keys cannot be read (No such file or directory)"
    assert refusal(pipe) == f"{pipe}: no regular file"
    assert "Is a directory" in refusal(tmp_path)
    for impossible in (tmp_path / "a\0b", tmp_path / "a\ud800b"):
        assert refusal(impossible) == (
            f"{impossible}: the keys cannot be read (no file has such a name)"
        )
    assert open_files() == before
    long = written(tmp_path / "long", b"#" * (2**16 + 1))
    assert refusal(long).startswith(f"{long}: longer than 65536 bytes")


def test_without_the_package_aes_is_refused_and_hashes_work(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert refusal(path, 1) == (
        f"{path}:6: AES128 keys need more packages. Run: pip install 'chronotick[nts]'"
    )
    assert read_key(path, 3).mac(b"")


@given(text=st.binary(max_size=200))
def test_any_bytes_are_keys_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "any", text)
    with contextlib.suppress(KeyFileError):
        assert read_key(path, 1).number == 1


def test_a_key_does_not_show_its_secret(path: Path) -> None:
    assert repr(read_key(path, 3)) == "Key(number=3, kind='SHA1')"
