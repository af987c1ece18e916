"""The marker by which a hypervisor tells that a virtual machine was migrated or restored."""

from __future__ import annotations

import logging
import mmap
import struct
from pathlib import Path
from typing import Final

DEVICE: Final = Path("/dev/vmclock0")

# Linux, include/uapi/linux/vmclock-abi.h: magic, size and version; all little-endian.
_HEAD: Final = struct.Struct("<4sIH")
_MAGIC: Final = b"VCLK"
_VERSION: Final = 1
_SEQUENCE: Final = struct.Struct("<I")  # odd while the hypervisor writes
_SEQUENCE_AT: Final = 12
_SEQUENCE_AND_MARKER: Final = struct.Struct("<IQ")  # neighbours
_ATTEMPTS: Final = 10_000  # some 10 ms
_LEAST_BYTES: Final = _SEQUENCE_AT + _SEQUENCE_AND_MARKER.size

_WITHOUT: Final = (
    "That this virtual machine was migrated or restored is noticed by measurements only. "
    "Let the daemon's user read the device"
)

_log = logging.getLogger("chronotick.daemon")


class VMClock:
    """Reads VMClock's disruption marker (Linux 6.13 and a hypervisor that has it).

    Every clock of a machine that goes on elsewhere, or later, may have jumped and may run at
    another rate. The marker has another value then, and the page it stands in is memory that the
    hypervisor writes: to look at it costs a microsecond.

    Args:
        device: where the page is, by default :data:`DEVICE`.
    """

    def __init__(self, device: Path | None = None) -> None:
        self._page = _mapped(device or DEVICE)
        self._marker: int | None = None
        for _ in range(_ATTEMPTS):  # it may be written just now
            if self.marker() is not None:
                break

    def marker(self) -> int | None:
        """Return the marker; ``None`` where there is no such device.

        While the hypervisor writes it is the one that was read last.
        """
        if self._page is not None:
            before, marker = _SEQUENCE_AND_MARKER.unpack_from(self._page, _SEQUENCE_AT)
            (after,) = _SEQUENCE.unpack_from(self._page, _SEQUENCE_AT)
            if before == after and not before % 2:
                self._marker = marker
        return self._marker

    def close(self) -> None:
        """Unmap the page; the marker stays what it was last."""
        if self._page is not None:
            self._page.close()
            self._page = None


def _mapped(device: Path) -> mmap.mmap | None:
    """The device's page, if there is one and it is of a kind we know."""
    try:
        with device.open("rb", buffering=0) as file:
            # The driver wants just this: one page, to be read.
            page = mmap.mmap(file.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ)
    except FileNotFoundError:  # an ordinary machine
        return None
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read: %s. %s", device, error, _WITHOUT)
        return None
    magic, size, version = _HEAD.unpack_from(page)
    if magic == _MAGIC and version == _VERSION and size >= _LEAST_BYTES:
        return page
    page.close()
    _log.warning("%s is no VMClock of version %d. %s", device, _VERSION, _WITHOUT)
    return None
