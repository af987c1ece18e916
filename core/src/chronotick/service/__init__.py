"""ChronoTick as a service of the host: systemd units, a launchd agent, and putting them in place.

The texts are those under ``deploy/`` in the repository, which come along with the package.
"""

from __future__ import annotations

from chronotick.service.errors import ServiceError
from chronotick.service.plan import Plan, Remove, Run, Write, carry_out
from chronotick.service.program import check_reachable, this_program

__all__ = [
    "Plan",
    "Remove",
    "Run",
    "ServiceError",
    "Write",
    "carry_out",
    "check_reachable",
    "this_program",
]
