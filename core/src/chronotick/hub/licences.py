"""Which licences of weights need a person's consent, and which forbid commercial use."""

from __future__ import annotations

import re
from typing import Final

_OPEN: Final = frozenset(
    {
        "0bsd",
        "apache-2.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc-by-4.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "cdla-permissive-2.0",
        "isc",
        "mit",
        "unlicense",
    }
)
_NON_COMMERCIAL: Final = re.compile(r"(^|[^a-z])(nc|non-?commercial|research)([^a-z]|$)")


def is_open(licence: str) -> bool:
    """Tell whether a licence (SPDX identifier) lets anybody use the weights for anything."""
    return licence.lower() in _OPEN


def is_non_commercial(licence: str) -> bool:
    """Tell whether a licence's name says that commercial use is not allowed."""
    return _NON_COMMERCIAL.search(licence.lower()) is not None
