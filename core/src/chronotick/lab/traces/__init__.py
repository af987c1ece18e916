"""Traces: measured series of any origin, read into one form."""

from chronotick.lab.traces.reading import read_traces
from chronotick.lab.traces.trace import Trace, TraceProblem, Traces

__all__ = ["Trace", "TraceProblem", "Traces", "read_traces"]
