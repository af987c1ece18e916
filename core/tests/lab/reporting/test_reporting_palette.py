"""Colours are told apart by everybody."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from chronotick.lab.comparing.yardsticks import YARDSTICKS
from chronotick.lab.reporting.palette import COLOURS, DARK, KNOWN, PAPER, styles

# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])
JUST_NOTICEABLE = 2.3


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_any_two_colours_differ_ten_times_what_is_noticed(vision: str, ground: str):
    colours = list(COLOURS if ground == "light" else COLOURS.values())
    seen = [lab(VISION[vision] @ linear(colour)) for colour in colours]
    least = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert least > 10 * JUST_NOTICEABLE


def test_every_colour_stands_out_from_its_ground():
    def luminance(colour: str) -> float:
        return float(TO_XYZ[1] @ linear(colour))

    for light, dark in COLOURS.items():
        assert (luminance(PAPER) + 0.05) / (luminance(light) + 0.05) > 2.2
        assert (luminance(dark) + 0.05) / (luminance(DARK[PAPER]) + 0.05) > 2.2


def test_models_have_styles_of_their_own_whatever_their_order():
    names = [f"model-{number}" for number in range(40)]
    found = styles(names)
    assert len({(each.colour, each.mark, each.dash) for each in found.values()}) == 40
    assert found == styles(reversed(names))


def test_known_models_are_drawn_alike_in_every_report():
    """The baseline was gold in one report and indigo in the next, which had a model more."""
    assert len(KNOWN) == len(set(KNOWN)) == len(COLOURS)
    everything = styles([*KNOWN, "mine", "theirs"])
    for few in (["kalman"], ["kalman", "line", "ttm"], [*KNOWN, "a", "b", "c"]):
        found = styles(few)
        assert all(found[name] == everything[name] for name in few if name in KNOWN)
    assert {everything[name].dash for name in KNOWN} == {"solid"}
    assert len({everything[name].colour for name in KNOWN}) == len(KNOWN)


def test_known_models_are_the_yardsticks_the_zoo_and_the_plugins():
    zoo = {"hold", "line", "echo", "chronos", "timesfm", "ttm", "toto", "time-moe"}
    assert set(KNOWN) == {*YARDSTICKS, *zoo}


def test_other_models_take_the_colours_that_are_left_in_order_of_name():
    found = styles(["b", "kalman", "a"])
    assert found["kalman"] == styles(["kalman"])["kalman"]
    assert found["a"] == styles(KNOWN)["echo"]
    assert found["b"] == styles(KNOWN)["time-moe"]
    crowded = styles([*KNOWN, "a", "b"])
    assert crowded["a"].dash != "solid"
    assert len({(each.colour, each.mark, each.dash) for each in crowded.values()}) == 14
