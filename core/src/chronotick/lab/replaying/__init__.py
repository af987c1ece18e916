"""The daemon's own code over recorded measurements, far faster than real time."""

from chronotick.lab.replaying.agreement import Agreement, Comparison
from chronotick.lab.replaying.estimate import Estimate, MemberEstimate
from chronotick.lab.replaying.models import ModelUnavailableError
from chronotick.lab.replaying.replay import Excerpt, NothingToReplayError, Replay, replay
from chronotick.lab.replaying.serving import SteppedBackError
from chronotick.lab.replaying.summary import ModelSummary, SourceSummary, Summary
from chronotick.lab.replaying.trace_reading import is_trace, read_trace
from chronotick.lab.replaying.traced import Planned, TracedRecording

__all__ = [
    "Agreement",
    "Comparison",
    "Estimate",
    "Excerpt",
    "MemberEstimate",
    "ModelSummary",
    "ModelUnavailableError",
    "NothingToReplayError",
    "Planned",
    "Replay",
    "SourceSummary",
    "SteppedBackError",
    "Summary",
    "TracedRecording",
    "is_trace",
    "read_trace",
    "replay",
]
