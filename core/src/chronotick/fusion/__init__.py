"""Many forecasts, one served path: weights by proven skill, uncertainty by measured errors."""

from chronotick.fusion.calibration import Calibration
from chronotick.fusion.fuse import Fused, Fusion, Member
from chronotick.fusion.scoring import Score, Scorer
from chronotick.fusion.skill import HORIZONS_S, Skill

__all__ = [
    "HORIZONS_S",
    "Calibration",
    "Fused",
    "Fusion",
    "Member",
    "Score",
    "Scorer",
    "Skill",
]
