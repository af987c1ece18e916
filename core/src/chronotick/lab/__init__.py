"""Worlds with known truth: simulated oscillators, networks and time servers."""

from chronotick.lab.oscillator import OSCILLATORS, Oscillator, OscillatorModel
from chronotick.lab.path_presets import PATHS
from chronotick.lab.polling import Polling
from chronotick.lab.server import Servers, serve
from chronotick.lab.simulated_server import SimulatedServer
from chronotick.lab.simulation import Simulation
from chronotick.lab.world import Exchange, Lie, LiveWorld, ServerModel, World
from chronotick.lab.writing import Written, write

__all__ = [
    "OSCILLATORS",
    "PATHS",
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
    "serve",
    "write",
]
