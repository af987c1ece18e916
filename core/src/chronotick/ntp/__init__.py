"""NTP: asks time servers and decides which to believe.

:class:`NtpMonitor` does all of it; its measurements compare UTC with CLOCK_MONOTONIC_RAW.
:func:`run_exchange` is a single question, for programs that need no more. :class:`Selector` is the
decision alone, for measurements from elsewhere.
"""

from chronotick.config.servers import AddressError, ServerName, parse_server
from chronotick.ntp.address import Endpoint, ResolveError, resolve
from chronotick.ntp.checks import Drop
from chronotick.ntp.exchange import Outcome, Query, Reply, run_exchange
from chronotick.ntp.measurement import Measurement, Stamps
from chronotick.ntp.monitor import NtpMonitor
from chronotick.ntp.packet import Packet, PacketError
from chronotick.ntp.report import SourceReport
from chronotick.ntp.selection import Limits, Reason, Selection
from chronotick.ntp.selector import Selector

__all__ = [
    "AddressError",
    "Drop",
    "Endpoint",
    "Limits",
    "Measurement",
    "NtpMonitor",
    "Outcome",
    "Packet",
    "PacketError",
    "Query",
    "Reason",
    "Reply",
    "ResolveError",
    "Selection",
    "Selector",
    "ServerName",
    "SourceReport",
    "Stamps",
    "parse_server",
    "resolve",
    "run_exchange",
]
