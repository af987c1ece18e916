"""What the bank knows of its sources beside their states: delays, noise, prior of the bias."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.noise import Components, NoiseDensity
from chronotick.clock.options import BankOptions
from chronotick.clock.packing import packed, unpacked
from chronotick.clock.queueing import Queueing
from chronotick.clock.route import WIDEST
from chronotick.clock.scatter import Scatter
from chronotick.ntp.measurement import Measurement

BIAS_FLOOR_S = 1e-6  # asymmetry of time stamping

Vector = NDArray[np.float64]


@dataclass(slots=True)
class Source:
    """What is known of one source.

    Attributes:
        queueing: its delays.
        scatter: of its measurements, where delays are unknown.
        density: of its errors.
        bias_prior: variance of its bias before anything was measured, s².
    """

    queueing: Queueing
    scatter: Scatter
    density: NoiseDensity
    bias_prior: float

    def excess_s(self, measurement: Measurement) -> float:
        """How far a measurement's delay is above the shortest, in s."""
        return self.queueing.excess_s(_delay_s(measurement))

    def follow(self, measurement: Measurement) -> float:
        """Take a delay; return by how much the route became longer or shorter, in s."""
        if measurement.delay_known:
            return self.queueing.add(_delay_s(measurement))
        self.scatter.add(measurement.raw_ns, measurement.offset_ns)
        return 0.0

    def range_s(self, measurement: Measurement, caution: Vector) -> Vector:
        """What the density's places count in, ``[K]``: see its ``components``."""
        if measurement.delay_known:
            return self.excess_s(measurement) + caution * self.queueing.margin_s
        return caution * self.scatter.sigma_s

    def snapshot(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "delays": packed(np.array(self.queueing.snapshot())),
            "scatter": packed(np.array(self.scatter.snapshot())),
            "density": self.density.snapshot(),
            "bias_prior": self.bias_prior,
        }


class Sources:
    """All sources, numbered in the order of their states.

    Args:
        options: of the bank.
        noise: ``[K, 2]`` caution and floor in s of each filter, see
            :data:`chronotick.clock.options.NOISE_HYPOTHESES`.
    """

    def __init__(self, options: BankOptions, noise: Vector) -> None:
        self._options = options
        self._caution, self._floor = noise[:, 0], noise[:, 1] ** 2
        self._known: dict[str, Source] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Source]:
        return iter(self._known.values())

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __getitem__(self, name: str) -> Source:
        return self._known[name]

    def number(self, name: str) -> int:
        """Place of a source among the others, 0 is the first."""
        return list(self._known).index(name)

    def priors(self) -> Vector:
        """Prior variances of all biases, in s²."""
        return np.array([source.bias_prior for source in self])

    def add(self, measurement: Measurement) -> Source:
        """Take up the source of a measurement."""
        sigma_s = WIDEST * self._options.route_asymmetry * _delay_s(measurement)
        source = self._known[measurement.source] = Source(
            Queueing(), Scatter(), self._density(measurement), sigma_s**2 + BIAS_FLOOR_S**2
        )
        return source

    def drop(self, name: str) -> None:
        """Forget a source."""
        del self._known[name]

    def noise(self, measurement: Measurement) -> Components:
        """The noise of a measurement; of an unknown source, as if it was its first."""
        source = self._known.get(measurement.source)
        if source is None:
            source = Source(Queueing(), Scatter(), self._density(measurement), 0.0)
            source.follow(measurement)
        floor = np.maximum(self._floor, (measurement.precision_ns * 1e-9) ** 2)
        return source.density.components(source.range_s(measurement, self._caution), floor)

    def snapshot(self) -> dict[str, Any]:
        """Return all as JSON types."""
        return {name: source.snapshot() for name, source in self._known.items()}

    def restored(self, snapshot: dict[str, Any]) -> Sources:
        """Return what was saved, under the same options; nothing here is changed.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is damaged, or of another bank.
        """
        twin = Sources(self._options, np.stack([self._caution, np.sqrt(self._floor)], axis=1))
        twin._known = {str(name): self._restored(saved) for name, saved in snapshot.items()}
        return twin

    def _restored(self, saved: dict[str, Any]) -> Source:
        prior = float(saved["bias_prior"])
        if not 0 < prior < math.inf:
            raise ValueError("the variance of a bias is not a positive number")
        learns = self._options.learn_noise
        return Source(
            queueing=Queueing.restored(unpacked(saved["delays"], None).tolist()),
            scatter=Scatter.restored(unpacked(saved["scatter"], None).tolist()),
            density=NoiseDensity.restored(saved["density"], len(self._floor), learns=learns),
            bias_prior=prior,
        )

    def _density(self, measurement: Measurement) -> NoiseDensity:
        return NoiseDensity(
            len(self._floor),
            delay_known=measurement.delay_known,
            learns=self._options.learn_noise,
        )


def _delay_s(measurement: Measurement) -> float:
    return measurement.delay_ns * 1e-9 if measurement.delay_known else 0.0
