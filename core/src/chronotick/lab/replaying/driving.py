"""Everything that happens to a virtual host, in the order in which it happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chronotick.lab.recordings.recording import Arrival
from chronotick.lab.replaying.host import VirtualHost
from chronotick.lab.replaying.traced import Happening

PLAN_PERIOD_NS = 10_000_000_000  # without an event: over that time a plan is as good as a line
NEVER_NS = 2**63

Event = tuple[int, Callable[[], object]]


class Drive:
    """Moves a host through its recording.

    Args:
        host: it.
        arrivals: what it is to see, in order.
        happenings: what else it is told, in order.
    """

    def __init__(
        self,
        host: VirtualHost,
        arrivals: Sequence[Arrival],
        happenings: Sequence[Happening] = (),
    ) -> None:
        self._host = host
        self._arrivals = arrivals
        self._happenings = happenings
        self._arrived = 0
        self._happened = 0

    def until(self, raw_ns: int) -> None:
        """Let everything happen until an instant, that instant included.

        Raises:
            ModelUnavailableError: a model died and does not come back.
            SteppedBackError: served time ran backwards within an epoch.
        """
        while (event := self._next())[0] <= raw_ns:
            due_ns, happen = event
            self._host.pass_time(due_ns)
            happen()
        self._host.pass_time(raw_ns)

    def _next(self) -> Event:
        """What happens next; of what happens at once, answers come first and plans last."""
        host = self._host
        events: tuple[Event, ...] = (
            (self._arrival_ns(), self._arrive),
            (self._happening_ns(), self._happen),
            (host.sources.next_miss_ns or NEVER_NS, self._miss),
            (host.plan.made_raw_ns + PLAN_PERIOD_NS, self._plan),
        )
        return min(events, key=_when)

    def _arrival_ns(self) -> int:
        if self._arrived < len(self._arrivals):
            return self._arrivals[self._arrived].raw_ns
        return NEVER_NS

    def _happening_ns(self) -> int:
        if self._happened < len(self._happenings):
            return self._happenings[self._happened].raw_ns
        return NEVER_NS

    def _happen(self) -> None:
        happening = self._happenings[self._happened]
        self._happened += 1
        self._host.happen(happening)

    def _arrive(self) -> None:
        arrival = self._arrivals[self._arrived]
        self._arrived += 1
        self._host.arrive(arrival)

    def _miss(self) -> None:
        due_ns = self._host.sources.next_miss_ns
        assert due_ns is not None  # noqa: S101 - it is due
        self._host.sources.miss(due_ns)

    def _plan(self) -> None:
        self._host.make_plan(self._host.plan.made_raw_ns + PLAN_PERIOD_NS)


def _when(event: Event) -> int:
    return event[0]
