"""Many forecasts, one served path: weights by proven skill, uncertainty by measured errors."""

from chronotick.fusion.calibration import Calibration
from chronotick.fusion.coverage import Coverage
from chronotick.fusion.evidence import Evidence
from chronotick.fusion.fuse import Fusion
from chronotick.fusion.fused import Fused, Member, Scale, fused_variance
from chronotick.fusion.horizons import HORIZONS_S
from chronotick.fusion.judged import Judged
from chronotick.fusion.paths import speaker
from chronotick.fusion.residuals import Residuals
from chronotick.fusion.scoring import Judgement, Score, Scorer
from chronotick.fusion.skill import BASELINE, Skill

__all__ = [
    "BASELINE",
    "HORIZONS_S",
    "Calibration",
    "Coverage",
    "Evidence",
    "Fused",
    "Fusion",
    "Judged",
    "Judgement",
    "Member",
    "Residuals",
    "Scale",
    "Score",
    "Scorer",
    "Skill",
    "fused_variance",
    "speaker",
]
