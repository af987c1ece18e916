"""The noise of measurements, learnt from each source: where in its possible range an error lies.

A queue of total length e puts an offset wrong by u e with u between -1/2 (all of it on the way
back) and 1/2 (all on the way there). Two like queues of one server each make u uniform (standard
deviation 0.29 e); more servers in a row make a hump, unlike queues tilt it, bursts raise its ends.
Its density is a histogram, learnt online from the posterior probability that a measurement's error
lay in each bin (recursive expectation-maximisation for a mixture: Titterington, "Recursive
parameter estimation using incomplete data", JRSS B 46, 1984). To a filter each bin is a normal
component.

Where delays are unknown the bins are widths instead, in units of the scatter that neighbouring
measurements show (:mod:`chronotick.clock.scatter`): errors are a mixture of normals, most of them
about as wide as that, some far wider, which is what heavy tails look like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.packing import packed, unpacked

BINS = 16
PRIOR_SAMPLES = 100.0  # what the density assumed at first is worth
LEAST_SAMPLES = 1e-3  # that a bin keeps, however long nothing fell into it: nothing is impossible
MEMORY = 5000.0  # samples after which old ones have lost 63 % of their weight
SOFTNESS = 0.02  # of the excess: how sharp the ends of the range are taken to be
WIDTHS = np.geomspace(1 / 8, 32, BINS)  # in scatters
USUAL_WIDTHS = 1.5  # factor by which widths of one sigma differ from the scatter, at first

Vector = NDArray[np.float64]

_PLACES = (np.arange(BINS) + 0.5) / BINS - 0.5  # of the bins, in excesses
_PLACE_VARIANCE = (0.5 / BINS) ** 2 + SOFTNESS**2
_WIDTH_PRIOR = np.exp(-0.5 * (np.log(WIDTHS) / np.log(USUAL_WIDTHS)) ** 2)


@dataclass(frozen=True, slots=True)
class Components:
    """A measurement's error as a mixture of normals, ``[K, BINS]`` each.

    Attributes:
        shares: their probabilities.
        means: in s.
        variances: in s².
    """

    shares: Vector
    means: Vector
    variances: Vector

    @property
    def mean_s(self) -> Vector:
        """Mean error ``[K]`` in s."""
        mean: Vector = np.einsum("kj,kj->k", self.shares, self.means)
        return mean

    @property
    def variance(self) -> Vector:
        """Its variance ``[K]`` in s²."""
        squares: Vector = np.einsum("kj,kj->k", self.shares, self.variances + self.means**2)
        return squares - self.mean_s**2


class NoiseDensity:
    """The density of one source's errors, one for each of K filters.

    Args:
        count: K.
        delay_known: whether the source's delays are known.
        learns: whether it is learnt.
    """

    def __init__(self, count: int, *, delay_known: bool, learns: bool = True) -> None:
        self._delay_known = delay_known
        self._learns = learns
        shares = np.ones(BINS) if delay_known else _WIDTH_PRIOR
        prior = np.maximum(PRIOR_SAMPLES * shares / shares.sum(), LEAST_SAMPLES)
        self._samples = np.tile(prior, (count, 1))

    def components(self, range_s: Vector, floor: Vector) -> Components:
        """What the density says of a measurement.

        Args:
            range_s: ``[K]`` how far each filter takes its delay to be above the true minimum;
                without delays, how much it takes measurements to scatter.
            floor: ``[K]`` variance in s² that no measurement is better than.
        """
        shares = self._samples / self._samples.sum(axis=1, keepdims=True)
        if not self._delay_known:
            variances = np.maximum((range_s[:, np.newaxis] * WIDTHS) ** 2, floor[:, np.newaxis])
            return Components(shares, np.zeros_like(shares), variances)
        means = range_s[:, np.newaxis] * _PLACES
        variances = np.broadcast_to(
            (range_s**2 * _PLACE_VARIANCE + floor)[:, np.newaxis], means.shape
        )
        return Components(shares, means, variances)

    def learn(self, probabilities: Vector, believed: NDArray[np.bool_]) -> None:
        """Take the probabilities ``[K, BINS]`` of where an error lay, where it is believed."""
        if self._learns:
            keep = np.where(believed, 1.0 - 1.0 / MEMORY, 1.0)[:, np.newaxis]
            samples = self._samples * keep + probabilities * believed[:, np.newaxis]
            self._samples = np.maximum(samples, LEAST_SAMPLES)

    def snapshot(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"delay_known": self._delay_known, "samples": packed(self._samples)}

    @classmethod
    def restored(cls, snapshot: dict[str, Any], count: int, *, learns: bool) -> NoiseDensity:
        """Return what was saved.

        Raises:
            KeyError, TypeError, ValueError: it is damaged, or of another bank.
        """
        density = cls(count, delay_known=bool(snapshot["delay_known"]), learns=learns)
        density._samples = unpacked(snapshot["samples"], (count, BINS))
        if not (density._samples > 0).all():
            raise ValueError("the samples of a density are not positive")
        return density
