"""Symmetric keys: time from servers with which a secret is shared (RFC 5905, 7.3; RFC 8573).

Request and reply end with a message authentication code, made with a key that both sides have in a
file. Keys of the types AES128 and AES256 need the package `cryptography` (extra ``nts``), imported
when the first of them is used; all others need nothing.
"""

from chronotick.ntp.keys.asker import KeyAsker
from chronotick.ntp.keys.keyfile import KeyFileError, read_key

__all__ = ["KeyAsker", "KeyFileError", "read_key"]
