"""Programs beside ChronoTick that take its time: NTP clients, chronyd and ntpd-rs, ClockBound.

One process beside the daemon reads the published record and tells its content in three older
languages. The daemon knows nothing of it, and it holds nothing that the daemon needs.
"""

from __future__ import annotations
