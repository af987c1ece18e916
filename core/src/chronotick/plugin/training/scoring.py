"""How good forecasts are on the validation examples, beside what the filter expects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.quantiles import at_levels
from chronotick.plugin.training.frames import Batch

_STEPS: Final = (1, 4, 16, 64)
_INTERVAL: Final = (0.025, 0.5, 0.975)
_RESAMPLES: Final = 1000
_SEED: Final = 20
_SUMS: Final = 6  # examples, then sums of |model|, |filter|, model², filter², covered

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What a batch contributes: ``[kind, step, sum]``, and which kinds it holds."""

    values: Floats


def steps_of(reach: int) -> tuple[int, ...]:
    """Return the steps ahead that are told of."""
    return tuple(step for step in _STEPS if step <= reach)


def contribution(batch: Batch, native: Floats, levels: Sequence[float], kinds: int) -> Sums:
    """Add up the errors of one batch, in units of the filter's sigma.

    Args:
        batch: with the truth.
        native: ``[n, reach, level]`` forecast in seconds.
        levels: of the quantiles; empty for points.
        kinds: number of kinds of worlds.

    Raises:
        ValueError: an example is of none of them.
    """
    steps = np.array(steps_of(batch.target.shape[1])) - 1
    picked, truth = native[:, steps], batch.target[:, steps].astype(np.float64)
    known = np.isfinite(truth) & np.isfinite(picked).all(axis=-1)
    sigma = batch.sigma[:, steps].astype(np.float64)
    known &= np.isfinite(batch.expected[:, steps]) & (sigma > 0)
    sigma = np.where(known, sigma, 1.0)
    filled = np.where(known[..., np.newaxis], picked, 0.0)
    low, centre, high = _interval(filled, levels)
    ours = np.where(known, (centre - truth) / sigma, 0.0)
    theirs = np.where(known, (batch.expected[:, steps] - truth) / sigma, 0.0)
    covered = known & (low <= truth) & (truth <= high)
    parts = (known, abs(ours), abs(theirs), ours**2, theirs**2, covered)
    each = np.stack([np.asarray(part, dtype=np.float64) for part in parts], axis=-1)
    sums = np.zeros((kinds, len(steps), _SUMS))
    if not (batch.kind.min() >= 0 and batch.kind.max() < kinds):
        raise ValueError(f"a kind of world is out of range: there are {kinds}")
    np.add.at(sums, batch.kind, each)
    return Sums(sums)


def _interval(filled: Floats, levels: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    if not levels:
        nothing = np.full(filled.shape[:2], np.nan)
        return nothing, filled[..., 0], nothing
    wanted = at_levels(filled, levels, _INTERVAL)
    return wanted[..., 0], wanted[..., 1], wanted[..., 2]


def metrics(
    parts: Iterable[Sums], kinds: Sequence[str], reach: int, *, interval: bool
) -> dict[str, Any]:
    """Put the sums of all batches into words.

    Ratios are errors over those of what the filter expects, both in units of its sigma, so that no
    world outweighs the others: below 1 the model is better. The intervals are of a bootstrap over
    batches, which hold few worlds each.

    Args:
        parts: of each batch.
        kinds: names of the kinds of worlds.
        reach: steps of a target.
        interval: whether the model gives quantiles, which can be calibrated.
    """
    stacked = np.stack([part.values for part in parts])
    count = len(stacked)
    drawn = np.random.default_rng(_SEED).multinomial(count, [1 / count] * count, size=_RESAMPLES)
    resampled = np.tensordot(drawn.astype(np.float64), stacked, axes=1)
    whole = stacked.sum(axis=0)
    present = [number for number in range(len(kinds)) if whole[number, :, 0].any()]
    steps = steps_of(reach)
    told = {
        kinds[number]: {
            str(step): _told(whole[number, place], resampled[:, number, place], interval=interval)
            for place, step in enumerate(steps)
            if whole[number, place, 0]
        }
        for number in present
    }
    return {"ratio": _over_all(whole[present], resampled[:, present]), "by_kind": told}


def _told(whole: Floats, resampled: Floats, *, interval: bool) -> dict[str, Any]:
    names = {"mae_ratio": _mae_ratio, "rms_ratio": _rms_ratio}
    if interval:
        names["coverage_95"] = _coverage
    found: dict[str, Any] = {"examples": int(whole[0])}
    for name, function in names.items():
        found[name] = _with_interval(function(whole), function(resampled))
    return found


def _with_interval(value: Floats, resampled: Floats) -> list[float]:
    usable = resampled[np.isfinite(resampled)]
    low, high = np.quantile(usable, [0.025, 0.975]) if usable.size else (np.nan, np.nan)
    return [float(f"{number:.4g}") for number in (value, low, high)]


def _over_all(whole: Floats, resampled: Floats) -> list[float]:
    """Geometric mean over kinds and steps."""
    return _with_interval(_geometric(_mae_ratio(whole)), _geometric(_mae_ratio(resampled)))


def _geometric(ratios: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(ratios)
    known = np.isfinite(logs)
    total = np.where(known, logs, 0.0).sum(axis=(-2, -1))
    mean: Floats = np.exp(total / np.maximum(known.sum(axis=(-2, -1)), 1))
    return mean


def _ratio(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return above / below


def _mae_ratio(sums: Floats) -> Floats:
    return _ratio(sums[..., 1], sums[..., 2])


def _rms_ratio(sums: Floats) -> Floats:
    return np.sqrt(_ratio(sums[..., 3], sums[..., 4]))


def _coverage(sums: Floats) -> Floats:
    return _ratio(sums[..., 5], sums[..., 0])


def rows(found: Mapping[str, Any]) -> list[tuple[str, int, Mapping[str, Any]]]:
    """Return kind, step and numbers of all there is, for a table."""
    return [
        (kind, int(step), numbers)
        for kind, by_step in found["by_kind"].items()
        for step, numbers in by_step.items()
    ]
