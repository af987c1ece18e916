from __future__ import annotations

import numpy as np
import pytest

from chronotick.plugin.training.frames import Batch
from chronotick.plugin.training.scoring import contribution, metrics, rows

LEVELS = (0.025, 0.5, 0.975)


def batch(seed: int, n: int = 200, reach: int = 64) -> Batch:
    rng = np.random.default_rng(seed)
    target = 1e-6 * rng.standard_normal((n, reach))
    return Batch(
        values=np.zeros((n, 4), np.float32),
        noise=np.zeros((n, 4), np.float32),
        target=target.astype(np.float32),
        expected=np.zeros((n, reach), np.float32),
        sigma=np.full((n, reach), 1e-6, np.float32),
        step_s=np.ones(n),
        trend=np.zeros((n, 4)),
        kind=(np.arange(n) % 2).astype(np.int32),
    )


def judged(share: float, levels: tuple[float, ...] = LEVELS, *, half: float = 1.96e-6) -> dict:
    """Of forecasts that miss by a share of the truth, with intervals of this half-width."""
    parts = []
    for seed in range(5):
        examples = batch(seed)
        centre = (1 - share) * examples.target.astype(float)
        zero = np.zeros_like(centre)
        native = np.stack([zero - half, centre, zero + half] if levels else [centre], axis=-1)
        parts.append(contribution(examples, native, levels, 3))
    return metrics(parts, ("calm", "cycle", "never"), 64, interval=bool(levels))


def test_ratios_are_errors_over_those_of_the_filter():
    found = judged(0.5)
    assert set(found["by_kind"]) == {"calm", "cycle"}
    assert [step for kind, step, _ in rows(found) if kind == "calm"] == [1, 4, 16, 64]
    for _kind, _step, numbers in rows(found):
        assert numbers["examples"] == 500
        assert numbers["mae_ratio"] == pytest.approx([0.5] * 3)
        assert numbers["rms_ratio"] == pytest.approx([0.5] * 3)
    assert found["ratio"] == pytest.approx([0.5] * 3)


def test_intervals_of_a_normal_forecast_cover_what_they_say():
    for _kind, _step, numbers in rows(judged(1.0)):
        middle, low, high = numbers["coverage_95"]
        assert low < middle < high
        assert 0.92 < middle < 0.98


def test_points_have_no_coverage():
    assert all("coverage_95" not in numbers for *_rest, numbers in rows(judged(0.5, ())))


def test_what_is_not_known_or_not_reached_does_not_count():
    examples = batch(1, n=4)
    examples.target[:2] = np.nan
    native = np.zeros((4, 64, 1))
    native[:, 16:] = np.nan
    part = contribution(examples, native, (), 2)
    assert part.values[:, :, 0].tolist() == [[1, 1, 1, 0], [1, 1, 1, 0]]
    assert np.isfinite(part.values[..., :5]).all()
    assert np.isfinite(metrics([part], ("a", "b"), 64, interval=False)["ratio"]).all()


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="kind of world is out of range: there are 1"):
        contribution(batch(1), np.zeros((200, 64, 1)), (), 1)
