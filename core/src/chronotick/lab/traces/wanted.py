"""What the caller says of traces, where their files do not."""

from __future__ import annotations

from dataclasses import dataclass

from chronotick.lab.traces.trace import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """See :func:`chronotick.lab.traces.read_traces`."""

    unit: str | None = None
    host: str | None = None
    kind: Kind | None = None
    value: str | None = None
    season_s: float | None = None
    max_error_s: float | None = None
