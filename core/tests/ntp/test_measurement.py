from __future__ import annotations

import dataclasses
from collections.abc import Callable

from chronotick.ntp.measurement import Measurement, Stamps


def test_the_root_distance_is_both_delays_halves_and_what_clocks_are_off(
    sample: Callable[..., Measurement],
) -> None:
    one = sample(delay_ns=7, precision_ns=10, root_delay_ns=5, root_dispersion_ns=100)
    assert one.root_distance_ns == 3 + 10 + 2 + 100


def test_what_is_not_said_of_a_measurement_is_not_so(sample: Callable[..., Measurement]) -> None:
    """No leap second, no reference, nothing authenticated; stamps by the kernel, a known delay."""
    said = dataclasses.asdict(sample())
    assert (said["leap"], said["reference_id"], said["authenticated"]) == (0, 0, False)
    assert (said["stamps"], said["delay_known"]) == (Stamps.KERNEL, True)
