"""Which clocks a server of models admits: a file of public keys, or a directory of such files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chronotick.workers.keys import KeyProblem, check_directory, read_keys

_PATTERN: Final = "*.pub"

logger = logging.getLogger(__name__)

Signature = tuple[tuple[str, int, int, int], ...]


class AllowList:
    """Public keys and the names behind them, read again when a file changes.

    A change that cannot be used is logged and changes nothing; a list that is gone admits nobody.
    """

    def __init__(self, path: Path) -> None:
        """Read the list.

        Args:
            path: of a file with one key per line, or of a directory of files ``*.pub``.

        Raises:
            KeyProblem: it cannot be read.
        """
        self.path = path
        self._signature = self._sign()
        self._names = self._read()

    def __contains__(self, key: str) -> bool:
        return key in self._names

    def __len__(self) -> int:
        return len(self._names)

    def name_of(self, key: str) -> str:
        """What stands behind a key, or else the beginning of the key."""
        return self._names.get(key) or f"{key[:8]}..."

    def refresh(self, *, force: bool = False) -> None:
        """Read the list again if it has changed.

        Args:
            force: read it in any case.
        """
        signature = self._sign()
        if signature == self._signature and not force:
            return
        self._signature = signature
        if not self.path.exists():
            self._names = {}
            logger.warning("%s is gone: nobody may connect", self.path)
            return
        try:
            self._names = self._read()
        except KeyProblem as problem:
            logger.error("the list of keys stays as it was: %s", problem)  # noqa: TRY400 - no bug
        else:
            logger.info("%s: %d keys", self.path, len(self._names))

    def _files(self) -> list[Path]:
        return sorted(self.path.glob(_PATTERN)) if self.path.is_dir() else [self.path]

    def _sign(self) -> Signature:
        """What tells a changed list from the one that was read."""
        signs = []
        for file in self._files():
            try:
                found = file.stat()
            except OSError:
                continue  # reading it will say so
            signs.append((str(file), found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(signs)

    def _read(self) -> Mapping[str, str]:
        names: dict[str, str] = {}
        if self.path.is_dir():
            check_directory(self.path)
        for file in self._files():
            names |= read_keys(file)
        return names
