"""docs/simulator.md names everything that a world can be made of."""

from pathlib import Path
from typing import get_args

import pytest

import chronotick.lab
from chronotick.lab.environment import Cycle, Load, Step
from chronotick.lab.network import Bursts, Leg, Outage, PathModel, Queue, RouteChange
from chronotick.lab.oscillator import OSCILLATORS, OscillatorModel
from chronotick.lab.path_presets import PATHS
from chronotick.lab.polling import Polling
from chronotick.lab.simulation import Simulation
from chronotick.lab.world import Fault, Lie, ServerModel

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text()
DESCRIPTIONS = (Bursts, Cycle, Leg, Lie, Load, Outage, PathModel, OscillatorModel, Queue)
IN_PROSE = {"forward", "backward", "queue", "bursts"}


@pytest.mark.parametrize(
    "description", [*DESCRIPTIONS, Polling, RouteChange, ServerModel, Simulation, Step]
)
def test_every_parameter_is_on_the_page(description: type):
    missing = [name for name in description.model_fields if name not in PAGE]
    assert not set(missing) - IN_PROSE


@pytest.mark.parametrize("name", [*OSCILLATORS, *PATHS, *get_args(Fault)])
def test_every_preset_and_fault_is_on_the_page(name: str):
    assert f"`{name}`" in PAGE


def test_the_public_face_is_complete():
    for name in chronotick.lab.__all__:
        assert getattr(chronotick.lab, name).__doc__ or name in {"OSCILLATORS", "PATHS"}
