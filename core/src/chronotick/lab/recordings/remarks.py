"""What is noticed while a recording is read: counted by reason, told once."""

from __future__ import annotations


class Remarks:
    """Collects what was left out and what else should be known.

    Args:
        place: what the number of a row counts.
    """

    def __init__(self, place: str = "line") -> None:
        self.place = place
        self._left_out: dict[str, tuple[int, int]] = {}  # count and first line, by reason
        self._notes: dict[str, None] = {}

    def left_out(self, line: int, reason: str) -> None:
        """Count a row that is not used."""
        count, first = self._left_out.get(reason, (0, line))
        self._left_out[reason] = count + 1, first

    def note(self, sentence: str) -> None:
        """Say something once."""
        self._notes[sentence] = None

    @property
    def losses(self) -> tuple[str, ...]:
        """How many rows were left out for each reason, for people."""
        return tuple(
            f"{count} row{'s' if count > 1 else ''} left out: {reason} "
            f"(the first: {self.place} {first})"
            for reason, (count, first) in self._left_out.items()
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything, for people."""
        return (*self._notes, *self.losses)
