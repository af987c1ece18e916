"""Files with secrets: a bearer token, keys of workers, keys shared with time servers.

The first byte chooses which.
"""

from __future__ import annotations

import contextlib

from chronotick.access.errors import HttpError
from chronotick.access.tokens import TokenError, read_token
from chronotick.http.gate import Gate
from chronotick.ntp.keys import KeyFileError, read_key
from chronotick.workers.keys import KeyProblem, read_keys, read_pair, read_public
from fuzz.oracle import require
from fuzz.places import scratch, written

_PAIR = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7 public\n"
_SECRET = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6 secret\n"
_KEY_LENGTH = 40


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Read a file, and let in who bears what it holds.

    Raises:
        Finding: somebody is let in who should not be, or is not who should.
    """
    how, content = (data[0] if data else 0), data[1:]
    if how & 2:
        _check_shared_keys(content)
    elif how & 1:
        _check_keys(content)
    else:
        _check_token(content)


def _check_token(content: bytes) -> None:
    path = written("token", content)
    try:
        token = read_token(path)
    except TokenError as error:
        require(str(path) in str(error), "a refusal names the file")
        return
    gate = Gate(token=token)
    gate.check_token(f"Bearer {token.decode('ascii')}")
    for wrong in ("", f"Bearer {token.decode('ascii')[1:]}", "Bearer é"):
        with contextlib.suppress(HttpError):
            gate.check_token(wrong)
            require(holds=False, promise="only the token lets in")


def _check_keys(content: bytes) -> None:
    directory = scratch() / "keys"
    directory.mkdir(exist_ok=True, mode=0o700)
    path = written("keys/worker.key", content)
    for read in (read_keys, read_public):
        try:
            found = read(path)
        except KeyProblem as problem:
            require(str(path) in str(problem), "a refusal names the file")
            continue
        keys = [found] if isinstance(found, str) else list(found)
        require(all(len(key) == _KEY_LENGTH and key.isascii() for key in keys), "a key is one")
    with contextlib.suppress(KeyProblem):
        require(read_pair(directory).secret not in repr(read_pair(directory)), "secrets stay so")


def _check_shared_keys(content: bytes) -> None:
    path = written("ntp.keys", content)
    try:
        key = read_key(path, 10)
    except KeyFileError as error:
        require(str(error).startswith(str(path)), "a refusal begins with the file")
        return
    require(key.number == 10 and len(key.mac(b"")) in {20, 24}, "a key is one")  # noqa: PLR2004
    require(repr(key) == f"Key(number=10, kind={key.kind!r})", "secrets stay so")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    return {
        "token": b"\0correct-horse+battery/staple==\n",
        "short": b"\0password\n",
        "lines": b"\0correct-horse\nbattery-staple\n",
        "pair": b"\1# ours\n" + _PAIR + _SECRET,
        "list": b"\1" + _PAIR.replace(b"public", b"ada") + b"\n# nobody\n",
        "shared": b"\2# ours\n10 AES128 HEX:" + b"7a" * 16 + b"\n11 SHA1 ASCII:correct-horse\n",
        "shared_md5": b"\0029 correct-horse\n10 MD5 correct-horse\n",
        "shared_odd": b"\00210 SHA512 HEX:7\n",
        "odd": b"\1" + _PAIR[:39] + b"\xc3\xa4 x\n",
    }
