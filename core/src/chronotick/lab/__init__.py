"""Worlds with known truth, and models compared on the same traces."""

from importlib import import_module
from typing import TYPE_CHECKING

from chronotick.lab.oscillator import OSCILLATORS, Oscillator, OscillatorModel
from chronotick.lab.path_presets import PATHS
from chronotick.lab.polling import Polling
from chronotick.lab.server import Servers, serve
from chronotick.lab.simulated_server import SimulatedServer
from chronotick.lab.simulation import Simulation
from chronotick.lab.world import Exchange, Lie, LiveWorld, ServerModel, World
from chronotick.lab.writing import Written, write

if TYPE_CHECKING:
    from chronotick.lab.comparing import Comparison, compare

__all__ = [
    "OSCILLATORS",
    "PATHS",
    "Comparison",
    "Exchange",
    "Lie",
    "LiveWorld",
    "Oscillator",
    "OscillatorModel",
    "Polling",
    "ServerModel",
    "Servers",
    "SimulatedServer",
    "Simulation",
    "World",
    "Written",
    "compare",
    "serve",
    "write",
]

_COMPARING = {"Comparison", "compare"}  # need pandas, which a simulated server does not


def __getattr__(name: str) -> object:
    """Import what comparisons need when they are asked for (PEP 562)."""
    if name not in _COMPARING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("chronotick.lab.comparing"), name)
