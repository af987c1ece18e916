"""Worlds with known truth: simulated oscillators, networks and time servers."""

from chronotick.lab.oscillator import OSCILLATORS, Oscillator, OscillatorModel
from chronotick.lab.path_presets import PATHS
from chronotick.lab.server import Servers, serve
from chronotick.lab.simulated_server import SimulatedServer
from chronotick.lab.world import Exchange, Lie, LiveWorld, ServerModel, World

__all__ = [
    "OSCILLATORS",
    "PATHS",
    "Exchange",
    "Lie",
    "LiveWorld",
    "Oscillator",
    "OscillatorModel",
    "ServerModel",
    "Servers",
    "SimulatedServer",
    "World",
    "serve",
]
