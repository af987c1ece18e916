"""Named disturbances: the daemon's own code on a virtual host, against known truth."""

from chronotick.lab.scenarios.catalogue import SCENARIOS
from chronotick.lab.scenarios.events import (
    LeapSecond,
    Mischief,
    ServerChange,
    Standstill,
    Stop,
    Suspend,
    SystemSlew,
    SystemStep,
)
from chronotick.lab.scenarios.outcome import Outcome
from chronotick.lab.scenarios.running import run
from chronotick.lab.scenarios.scenario import Expected, Scenario

__all__ = [
    "SCENARIOS",
    "Expected",
    "LeapSecond",
    "Mischief",
    "Outcome",
    "Scenario",
    "ServerChange",
    "Standstill",
    "Stop",
    "Suspend",
    "SystemSlew",
    "SystemStep",
    "run",
]
