"""The daemon's own code over recorded measurements, far faster than real time."""

from chronotick.lab.replaying.estimate import Estimate, MemberEstimate
from chronotick.lab.replaying.models import ModelUnavailableError
from chronotick.lab.replaying.replay import Excerpt, NothingToReplayError, Replay, replay
from chronotick.lab.replaying.serving import SteppedBackError
from chronotick.lab.replaying.summary import ModelSummary, SourceSummary, Summary

__all__ = [
    "Estimate",
    "Excerpt",
    "MemberEstimate",
    "ModelSummary",
    "ModelUnavailableError",
    "NothingToReplayError",
    "Replay",
    "SourceSummary",
    "SteppedBackError",
    "Summary",
    "replay",
]
