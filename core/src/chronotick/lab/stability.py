"""What the Allan deviation of a described oscillator is in theory: what its simulation must show.

Formulas as in Riley, *Handbook of Frequency Stability Analysis* (NIST SP 1065, 2008), and, for the
modified deviation, the limit of many points per tau.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chronotick.lab.environment import Cycle
from chronotick.lab.fluctuations import Floats
from chronotick.lab.oscillator import OscillatorModel

MODIFIED_WHITE = 1 / 2
MODIFIED_FLICKER = (27 * np.log(3) - 32 * np.log(2)) / 8 / (2 * np.log(2))
MODIFIED_RANDOM_WALK = 33 / 40
"""Ratios of the modified to the plain Allan variance."""


def allan_deviation(model: OscillatorModel, taus_s: npt.ArrayLike) -> Floats:
    """The Allan deviation of an oscillator, exactly.

    Args:
        model: the oscillator. Offset and frequency do not matter.
        taus_s: averaging times, shape ``(n,)``.

    Returns:
        Deviations, shape ``(n,)``.

    Raises:
        ValueError: the model has a part of which there is no formula here (load, steps, cycles
            that are no sines or of jittered length).
    """
    _check(model)
    taus = np.asarray(taus_s, dtype=np.float64)
    variance = (
        model.white_fm**2 / taus
        + model.flicker_fm**2
        + model.wander**2 * taus / 3
        + (model.ageing * taus) ** 2 / 2
        + sum(_sine(cycle, taus) for cycle in model.cycles)
    )
    return np.asarray(np.sqrt(variance))


def modified_allan_deviation(model: OscillatorModel, taus_s: npt.ArrayLike) -> Floats:
    """The modified Allan deviation, for taus of ten steps and more.

    Args:
        model: the oscillator.
        taus_s: averaging times, shape ``(n,)``.

    Returns:
        Deviations, shape ``(n,)``.

    Raises:
        ValueError: as `allan_deviation`.
    """
    _check(model)
    taus = np.asarray(taus_s, dtype=np.float64)
    variance = (
        MODIFIED_WHITE * model.white_fm**2 / taus
        + MODIFIED_FLICKER * model.flicker_fm**2
        + MODIFIED_RANDOM_WALK * model.wander**2 * taus / 3
        + (model.ageing * taus) ** 2 / 2
        + sum(_sine(cycle, taus) * np.sinc(taus / cycle.period_s) ** 2 for cycle in model.cycles)
    )
    return np.asarray(np.sqrt(variance))


def _sine(cycle: Cycle, taus: Floats) -> Floats:
    """Allan variance of a sine of frequency."""
    angle = np.pi * taus / cycle.period_s
    return np.asarray((cycle.amplitude * np.sin(angle) ** 2 / angle) ** 2)


def _check(model: OscillatorModel) -> None:
    without = [
        *(["load"] if model.load else []),
        *(["steps"] if model.steps else []),
        *("cycles" for c in model.cycles if c.waveform != "sine" or c.jitter),
    ]
    if without:
        raise ValueError(f"there is no formula here for an oscillator's {', '.join(without)}")
