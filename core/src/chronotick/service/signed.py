"""Files that we write for the host, and may therefore write anew or remove.

Each bears the hash of the rest of it. A file without, or one that was changed since, is its
operator's: it is neither overwritten nor removed unless that is asked for.
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum
from pathlib import Path

_MARK = re.compile(r"^.*written by chronotick service, sha256 ([0-9a-f]{64}).*\n", re.MULTILINE)


class Standing(Enum):
    """Whose a file is."""

    ABSENT = "absent"
    OURS = "ours"
    CHANGED = "changed"
    FOREIGN = "foreign"


def signed(text: str, comment: tuple[str, str] = ("# ", "")) -> str:
    """Add the mark as a last line.

    Args:
        text: what the file is to hold, ending with a newline.
        comment: what begins and ends a comment there.
    """
    begin, end = comment
    return f"{text}{begin}written by chronotick service, sha256 {_digest(text)}{end}\n"


def standing(path: Path) -> Standing:
    """Look whose a file is. A link, such as that of a masked unit, is never ours."""
    if path.is_symlink():
        return Standing.FOREIGN
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Standing.ABSENT
    except (OSError, UnicodeDecodeError):
        return Standing.FOREIGN
    mark = _MARK.search(text)
    if mark is None:
        return Standing.FOREIGN
    rest = text[: mark.start()] + text[mark.end() :]
    return Standing.OURS if _digest(rest) == mark[1] else Standing.CHANGED


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
