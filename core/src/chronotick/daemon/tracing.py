"""A monitor of servers that notes every exchange in a debug trace."""

from __future__ import annotations

from collections.abc import Callable

from chronotick.config.schema import Ntp, Timing
from chronotick.daemon import trace_lines as lines
from chronotick.daemon.trace import Trace
from chronotick.ntp import Measurement, NtpMonitor
from chronotick.ntp.source import Source


class TracedMonitor(NtpMonitor):
    """An :class:`NtpMonitor` whose exchanges are noted; arguments as there.

    Args:
        trace: where they are noted.
    """

    def __init__(
        self,
        ntp: Ntp,
        timing: Timing,
        on_measurement: Callable[[Measurement], None],
        trace: Trace,
    ) -> None:
        self._trace = trace
        self._take_in = on_measurement
        super().__init__(ntp, timing, self._note_and_take_in)

    def feedback(self, source: str, normalised_innovation: float) -> None:
        """Adapt the source's poll interval, and note both."""
        super().feedback(source, normalised_innovation)
        polls = (each.poll_s for each in self.sources() if each.id == source)
        self._trace.note(lines.innovation, source, normalised_innovation, next(polls, None))

    def _note_and_take_in(self, measurement: Measurement) -> None:
        self._trace.note(lines.exchange, measurement, self.selected())
        self._take_in(measurement)

    def _finished(self, source: Source, measurement: Measurement | None) -> None:
        super()._finished(source, measurement)
        if measurement is None:
            self._trace.note(
                lines.unanswered,
                source.id,
                self.selected(),
                dict(source.drops),
                source.last_error,
                refused=source.answers.refused,
            )
