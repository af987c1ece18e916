"""What is known of one model at one horizon, against the estimator.

Model and estimator are judged by the same measurements. With ``r`` the measured offset minus the
estimator's forecast, ``g`` the model's forecast minus the estimator's and ``s²`` the variance of
``r``, the difference of their squared errors is ``(r - g)² - r² = g² - 2 g r``: the noise of the
judge, squared, is not in it, and ``g`` is known exactly. Two sums therefore tell all,

    ``a = sum g r / s²``  and  ``b = sum g² / s²``:

``a/b`` is the share of ``g`` that brings the estimator nearest to the truth (the combining weight
of Bates and Granger, "The combination of forecasts", Operational Research Quarterly 20, 1969), and
``b - 2a`` how much worse the model is (the test of Diebold and Mariano, "Comparing predictive
accuracy", J. Business & Economic Statistics 13, 1995).

Forecasts to far horizons overlap and their errors are alike: the scatter of both is taken from
sums over blocks as long as the horizon, never from single scores.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import Final

from chronotick.fusion.judged import Judged

MEMORY: Final = 300.0  # blocks after which old ones have lost 63 % of their weight
FEW_BLOCKS: Final = 3.0  # a scatter of fewer says nothing
RECENT: Final = 12.0  # scores that tell what a model is like now
CHANGED: Final = 4.0  # times a mean square before: the model is not what it was
USUAL: Final = 2.0  # times its mean square that a gap may have for a while
WILD: Final = 3.0  # times its usual size: no gap is followed, nor judged, further than that
SEVERAL: Final = 3.0  # scores it takes at least to show that a model has changed
WILDEST: Final = 4.0  # times its usual size that a gap counts for there
_MEANS: Final = ("count", "scale", "blocks", "a", "b", "e")
_SQUARES: Final = ("noise", "aa", "ab", "bb", "squared_blocks")
_KEEP: Final = math.exp(-1.0 / MEMORY)
_KEEP_RECENT: Final = math.exp(-1.0 / RECENT)


@dataclass(slots=True)
class Evidence:
    """Exponentially forgotten sums; see the module."""

    count: float = 0.0  # scores
    scale: float = 0.0  # sum of 1/s²
    blocks: float = 0.0
    a: float = 0.0
    b: float = 0.0
    noise: float = 0.0  # variance of a that the judges' noise alone makes
    aa: float = 0.0  # squares over blocks
    ab: float = 0.0
    bb: float = 0.0
    squared_blocks: float = 0.0  # forgotten as squares are
    since_ns: float = 0.0
    open_a: float = 0.0  # of the block that is not over
    open_b: float = 0.0
    recent: float = 0.0  # independent scores
    recent_scale: float = 0.0
    recent_a: float = 0.0
    recent_b: float = 0.0
    recent_e: float = 0.0  # sum of the model's (r - g)²/s²
    e: float = 0.0

    def add(self, judged: Judged, gap_s: float) -> int:
        """Take one score.

        Args:
            judged: the measurement and what it says of the estimator.
            gap_s: the model's forecast minus the estimator's, s.

        Returns:
            1 or -1 if it shows that the model has become a worse or a better one, else 0.
        """
        if judged.raw_ns - self.since_ns >= judged.block_ns:
            self._close(judged.raw_ns)
        u = 1.0 / judged.variance
        own = judged.variance - judged.noise_variance
        g = self.tamed(gap_s, own)
        a, b = u * g * judged.residual_s, u * g * g
        e = u * (judged.residual_s - g) ** 2
        far = self.tamed(gap_s, own, WILDEST)
        lost = min((judged.residual_s - far) ** 2, self._most_lost)
        self.count += 1.0
        self.scale += u
        self.noise += b * u * judged.noise_variance
        self.open_a += a
        self.open_b += b
        self.e += e
        part = judged.independent
        keep = 1.0 - (1.0 - _KEEP_RECENT) * part
        self.recent = self.recent * keep + part
        self.recent_scale = self.recent_scale * keep + part * u
        self.recent_a = self.recent_a * keep + part * u * far * judged.residual_s
        self.recent_b = self.recent_b * keep + part * u * far**2
        self.recent_e = self.recent_e * keep + part * u * lost
        changed = self._changed(own)
        if changed:
            self._forget()
        return changed

    def tamed(self, gap_s: float, own: float, times: float = WILD) -> float:
        """Return a gap as far as it may be followed, s.

        Forecasts with heavy tails are right more often than their wildest moments suggest.

        Args:
            gap_s: the model's forecast minus the estimator's, s.
            own: mean square error of the estimator, s².
            times: how many times its usual size is that far.
        """
        widest = times * math.sqrt(max(self.gap_square, own))
        return max(-widest, min(widest, gap_s))

    @property
    def gap_square(self) -> float:
        """Mean square of the model's difference from the estimator, s²."""
        return (self.b + self.open_b) / self.scale if self.scale else 0.0

    @property
    def gap_square_now(self) -> float:
        """The same, never less than what it has been lately."""
        lately = self.recent_b / self.recent_scale if self.recent_scale else 0.0
        return max(self.gap_square, lately)

    @property
    def steadiness(self) -> float:
        """How much of its proven share a model keeps that strays further than it used to, 0 to 1.

        In inverse proportion to the square of its gap beyond what is usual, unless recent scores
        show that it is right and the estimator wrong.
        """
        now, usual = self.gap_square_now, USUAL * self.gap_square
        if now <= usual:
            return 1.0
        right = (self.recent_a - math.sqrt(self.recent_b)) / self.recent_b
        return max(usual / now, min(right, 1.0))

    @property
    def difference(self) -> float:
        """Mean square error of the model minus that of the estimator, s²."""
        total = self.b + self.open_b - 2.0 * (self.a + self.open_a)
        return total / self.scale if self.scale else 0.0

    @property
    def judged_blocks(self) -> float:
        """Independent stretches of time behind the evidence."""
        return self.blocks + (1.0 if self.open_b else 0.0)

    @property
    def difference_error(self) -> float:
        """Standard error of the difference, s²; infinite where too little is known."""
        blocks = self.judged_blocks
        if blocks < FEW_BLOCKS or not self.scale:
            return math.inf
        total = self.b + self.open_b - 2.0 * (self.a + self.open_a)
        about = (total / blocks) ** 2 * self._squared_blocks
        variance = max((self._squares(2.0, 1.0) - about) * _few(blocks), 4.0 * self.noise)
        return math.sqrt(variance) / self.scale

    @property
    def worse_by(self) -> float:
        """The difference in units of its standard error; 0 where too little is known."""
        error = self.difference_error
        return self.difference / error if error > 0 else 0.0

    def share(self, doubt: float) -> float:
        """How much of the model's difference to follow, as far as that is proven.

        The estimated share is pulled to nothing by the non-negative garrote (Breiman, "Better
        subset regression using the nonnegative garrote", Technometrics 37, 1995): one that is
        ``doubt`` standard errors from 0 counts as nothing, one of many nearly in full. The less
        precisely it is known, the stricter: among poor estimates the large ones are chance.
        """
        a, b = self.a + self.open_a, self.b + self.open_b
        sure, needed = self.proof(doubt)
        return a / b * max(0.0, 1.0 - (needed / sure) ** 4) if sure > 0.0 else 0.0

    def proof(self, doubt: float) -> tuple[float, float]:
        """Standard errors by which a share is above 0, and beyond how many it counts at all.

        The first is 0 where too little is known, or nothing speaks for the model.

        Args:
            doubt: standard errors beyond which a share counts that is known precisely.
        """
        blocks = self.judged_blocks
        a, b = self.a + self.open_a, self.b + self.open_b
        if blocks < FEW_BLOCKS or a <= 0.0:
            return 0.0, doubt
        error = math.sqrt(max(self._squares(1.0, a / b) * _few(blocks), self.noise))
        needed = doubt * (1.0 + FEW_BLOCKS / blocks) * (1.0 + error / b)
        return (a / error if error > 0.0 else math.inf), needed

    def as_list(self) -> list[float]:
        """All sums, for a snapshot."""
        return list(astuple(self))

    @classmethod
    def from_list(cls, sums: list[float]) -> Evidence:
        """Return the evidence of a snapshot.

        Raises:
            ValueError: it is damaged.
        """
        values = [float(value) for value in sums]
        if len(values) != len(fields(cls)) or not all(map(math.isfinite, values)):
            raise ValueError(f"{len(values)} sums, some may not be numbers")
        restored = cls(*values)
        restored.since_ns = 0.0  # RAW time of another boot: the next score begins a block
        return restored

    @property
    def _most_lost(self) -> float:
        """What a single squared error may count for in the question whether a model has changed."""
        known = self.count >= RECENT
        return RECENT / SEVERAL * CHANGED * self.e / self.scale if known else math.inf

    @property
    def _squared_blocks(self) -> float:
        return self.squared_blocks + (1.0 if self.open_b else 0.0)

    def _squares(self, of_a: float, of_b: float) -> float:
        """Sum over blocks of (of_a * a - of_b * b)²."""
        aa = self.aa + self.open_a**2
        ab = self.ab + self.open_a * self.open_b
        bb = self.bb + self.open_b**2
        return max(of_a**2 * aa - 2.0 * of_a * of_b * ab + of_b**2 * bb, 0.0)

    def _close(self, raw_ns: int) -> None:
        if self.open_b or self.open_a:
            self.aa += self.open_a**2
            self.ab += self.open_a * self.open_b
            self.bb += self.open_b**2
            self.a += self.open_a
            self.b += self.open_b
            self.blocks += 1.0
            self.squared_blocks += 1.0
            self.open_a = self.open_b = 0.0
            for name in _MEANS:
                setattr(self, name, getattr(self, name) * _KEEP)
            for name in _SQUARES:
                setattr(self, name, getattr(self, name) * _KEEP**2)
        self.since_ns = raw_ns

    def _changed(self, own: float) -> int:
        """Whether the model is not what it was: much worse (1) or better (-1), or elsewhere.

        Args:
            own: mean square error of the estimator, s²: losing less than that is no change.
        """
        if self.recent < RECENT / 2 or self.count < 2 * RECENT:
            return 0
        e, e_now = self.e / self.scale, self.recent_e / self.recent_scale
        b, b_now = self.gap_square, self.recent_b / self.recent_scale
        loses = (self.recent_b - 2.0 * self.recent_a) / self.recent_scale
        if loses > own and (e_now > CHANGED * e or b_now > CHANGED * b):
            return 1
        lost = self.difference > 0.0  # and now shows more than a passing likeness
        return -1 if lost and max(e / e_now, b / b_now) > 2.0 * CHANGED else 0

    def _forget(self) -> None:
        """Drop the past: what a changed model is worth, it must prove anew."""
        for field in fields(self):
            if not field.name.startswith(("recent", "since")):
                setattr(self, field.name, 0.0)


def _few(blocks: float) -> float:
    return blocks / max(blocks - 1.0, 1.0)
