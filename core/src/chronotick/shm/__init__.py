"""The shared record: layout, writer and readers.

Applications use :mod:`chronotick`; this is for the daemon and for tools.
"""

from __future__ import annotations

from chronotick.shm.layout import Flags, Source, Status

__all__ = ["Flags", "Source", "Status"]
