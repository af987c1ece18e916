"""Named disturbances: the daemon's own code on a virtual host, against known truth."""

from chronotick.lab.scenarios.catalogue import SCENARIOS
from chronotick.lab.scenarios.events import (
    CookieKeyLost,
    KeyReplaced,
    LeapSecond,
    Mischief,
    NoKeys,
    ServerChange,
    Standstill,
    Stop,
    Stripping,
    Suspend,
    SystemSlew,
    SystemStep,
)
from chronotick.lab.scenarios.outcome import Outcome
from chronotick.lab.scenarios.running import check_packages, run
from chronotick.lab.scenarios.scenario import Expected, Scenario

__all__ = [
    "SCENARIOS",
    "CookieKeyLost",
    "Expected",
    "KeyReplaced",
    "LeapSecond",
    "Mischief",
    "NoKeys",
    "Outcome",
    "Scenario",
    "ServerChange",
    "Standstill",
    "Stop",
    "Stripping",
    "Suspend",
    "SystemSlew",
    "SystemStep",
    "check_packages",
    "run",
]
