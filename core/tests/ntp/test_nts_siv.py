"""The cipher of NTS, by the test vectors of its RFC, and what is said where it is missing."""

from __future__ import annotations

import builtins
import sys

import pytest

from chronotick.ntp.nts.errors import KeyExchangeError
from chronotick.ntp.nts.siv import Cipher, export, require, session_keys

RFC_5297_A1 = {
    "key": "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
    "associated": ["101112131415161718191a1b1c1d1e1f2021222324252627"],
    "plaintext": "112233445566778899aabbccddee",
    "ciphertext": "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c",
}
RFC_5297_A2 = {
    "key": "7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f",
    "associated": [
        "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
        "102030405060708090a0",
        "09f911029d74e35bd84156c5635688c0",
    ],
    "plaintext": "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e6720"
    "5349562d414553",
    "ciphertext": "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663"
    "b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d",
}


@pytest.mark.parametrize("vector", [RFC_5297_A1, RFC_5297_A2], ids=["A.1", "A.2"])
def test_the_cipher_is_that_of_rfc_5297(vector: dict[str, str | list[str]]) -> None:
    key, plaintext, ciphertext = (
        bytes.fromhex(str(vector[name])) for name in ("key", "plaintext", "ciphertext")
    )
    associated = [bytes.fromhex(each) for each in vector["associated"]]
    siv = require()(key)
    assert siv.encrypt(plaintext, associated) == ciphertext
    assert siv.decrypt(ciphertext, associated) == plaintext


@pytest.mark.parametrize("plaintext", [b"", b"cookies"])
def test_what_was_sealed_opens_only_unchanged(plaintext: bytes) -> None:
    cipher, other = Cipher(bytes(range(32))), Cipher(bytes(32))
    sealed = cipher.encrypt(plaintext, nonce=b"n" * 16, associated=b"packet")
    assert len(sealed) == len(plaintext) + 16
    assert cipher.decrypt(sealed, nonce=b"n" * 16, associated=b"packet") == plaintext
    for opener, ciphertext, nonce, associated in (
        (other, sealed, b"n" * 16, b"packet"),
        (cipher, bytes([sealed[0] ^ 1]) + sealed[1:], b"n" * 16, b"packet"),
        (cipher, sealed, b"m" * 16, b"packet"),
        (cipher, sealed, b"n" * 16, b"Packet"),
        (cipher, sealed[:15], b"n" * 16, b"packet"),
        (cipher, b"", b"n" * 16, b"packet"),
        (cipher, sealed, b"", b"packet"),
    ):
        with pytest.raises(ValueError, match=r"."):
            opener.decrypt(ciphertext, nonce=nonce, associated=associated)


@pytest.mark.parametrize(
    ("digest", "secret", "exported"),
    [
        (
            "sha256",
            "89969f9057e79b07a9a0c4b0dda6f60ec95b015b318103f580cb0ca61b9dff89",
            "c114f3a4586f1aaec007e1c237566459fe818ed7d5340e82eb584cdd87b7da91",
        ),
        (
            "sha384",
            (
                "e92c8a3c85bda8ccacd76295ee1ef2cd9046879e626300f7dea955bdd58d388c"
                "33056e88344e66e71f16a207ad057b0d"
            ),
            "7f315e9de112ae9baf4879f1b99ca6f517ac0a22d4fbd292056dda55db267d59",
        ),
    ],
)
def test_keys_are_exported_as_openssl_exports_them(digest: str, secret: str, exported: str) -> None:
    """Of `openssl s_client -keymatexport -keymatexportlen 32 -keylogfile`, version 3.0.19."""
    label = b"EXPORTER-network-time-security"
    assert export(bytes.fromhex(secret), digest, label, b"").hex() == exported


@pytest.mark.parametrize("digest", ["sha256", "sha384"])
def test_each_direction_has_a_key_of_its_own(digest: str) -> None:
    to_server, to_client = session_keys(b"s" * 32, digest)
    assert len(to_server) == len(to_client) == 32
    assert to_server != to_client
    assert export(b"s" * 32, digest, b"label", b"a") != export(b"s" * 32, digest, b"label", b"b")


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without(name: str, *arguments: object) -> object:
        if name.startswith("cryptography"):
            raise ModuleNotFoundError(name)
        return genuine(name, *arguments)  # type: ignore[arg-type]

    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(KeyExchangeError) as raised:
        require()
    assert str(raised.value) == "this needs more packages. Run: pip install 'chronotick[nts]'"
