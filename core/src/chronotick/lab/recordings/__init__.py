"""Recorded measurements of many kinds, read into one form."""

from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.recordings.reading import read_recording
from chronotick.lab.recordings.recording import Arrival, Recording

__all__ = ["Arrival", "Recording", "RecordingError", "read_recording"]
