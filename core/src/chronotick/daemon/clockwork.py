"""From measurements to plans: what the daemon decides, without sockets, threads or an event loop.

Whoever drives it says what time it is, so that the same code runs on the host's clocks and on a
virtual one.
"""

from __future__ import annotations

import logging
from typing import Protocol

from chronotick.clock import HostClocks, Innovation
from chronotick.clock.leap import month_ends_ns
from chronotick.config.schema import ClockMeasurement
from chronotick.daemon.memory import Recollection, Standing
from chronotick.daemon.publisher import Description, Plan
from chronotick.daemon.status import Facts, StateMachine
from chronotick.daemon.timekeeper import Target, Timekeeper
from chronotick.fusion import BASELINE
from chronotick.ntp import Measurement, Reason, Selection, SourceReport
from chronotick.shm.layout import Flags, Source, Status
from chronotick.shm.record import READY, SERVING

POLLS_OF_SILENCE = 3.0  # unanswered polls after which the clock is in holdover
SURPRISES = 2  # outliers in a row after which all are asked
DOUBT_PERIOD_NS = 3600 * 1_000_000_000  # a liar may make us ask all sources quickly only so often
LEAP_BEFORE_NS = 12 * 1_000_000_000  # no time is served so long before an announced leap second
LEAP_AFTER_NS = 2 * 1_000_000_000  # ... and so long after the end of its month, the second included
ALONE = 0.999  # weight from which one model is all there is

_log = logging.getLogger("chronotick.daemon")


class Sources(Protocol):
    """The servers, as :class:`chronotick.ntp.NtpMonitor` shows them."""

    def selected(self) -> Selection:
        """Return who is believed."""

    def sources(self) -> list[SourceReport]:
        """Describe every source."""

    def feedback(self, source: str, normalised_innovation: float) -> None:
        """Tell how well a source's last measurement was predicted."""

    def burst(self, *, forget: bool = False) -> None:
        """Ask all sources quickly again."""


class Clockwork:
    """Takes measurements of believed sources and plans what is published.

    Args:
        timekeeper: estimate, bound, scores and fusion.
        memory: where measurements and scores are written down, if anywhere.
        state: the state machine.
        measurement: servers and timing.
        raw_ns: RAW time at the start.
        suspended_ns: how long the host had slept by then.
        marker: VMClock's by then.
    """

    def __init__(
        self,
        timekeeper: Timekeeper,
        memory: Recollection,
        state: StateMachine,
        measurement: ClockMeasurement,
        *,
        raw_ns: int,
        suspended_ns: int,
        marker: int | None = None,
    ) -> None:
        self.timekeeper = timekeeper
        self.memory = memory
        self.state = state
        self.configured = measurement
        self.target: Target | None = None
        self._believed: frozenset[str] = frozenset()
        self._warm_since_ns = raw_ns
        self._counted_from = 0
        self._suspended_ns = suspended_ns
        self._marker = marker
        self._generation = 0
        self._unconfirmed = False  # resumed, and no measurement has agreed yet
        self._leap_over_ns: int | None = None  # a leap second is under way until then
        self._doubted_ns: int | None = None  # when all were last asked whether the clock moved
        self._outliers = 0  # in a row

    @property
    def believed(self) -> frozenset[str]:
        """Sources that were believed last."""
        return self._believed

    @property
    def suspended_ns(self) -> int:
        """How long the host had slept when that was last looked at."""
        return self._suspended_ns

    def configure(self, measurement: ClockMeasurement) -> None:
        """Use other settings from now on."""
        self.configured = measurement
        self.timekeeper.bound.max_falsetickers = measurement.ntp.max_falsetickers

    def resume(self, raw_ns: int) -> bool:
        """Go on from before a restart, if that is possible; return whether it was."""
        believed = self.memory.resume(raw_ns, self._standing())
        if believed is None:
            return False
        self._believed, self._unconfirmed = believed, True
        self._warm_since_ns = 0
        self.state.change(raw_ns, Status.SYNCHRONISED, "resumed from before the restart")
        return True

    def measure(self, measurement: Measurement, sources: Sources) -> bool:
        """Take a measurement; return whether its source is believed, so that it was learnt from."""
        if self._leap_over_ns is not None:  # this side of it, or the other? Nobody can tell
            self.memory.measured(measurement, selected=False)
            return False
        selection = sources.selected()
        self._ask_all_in_doubt(selection, measurement.raw_ns, sources)
        self._disown(selection)
        if selection.survivors:
            self._believed = frozenset(selection.survivors)
            self.timekeeper.bound.voters = selection.voters
            self._compare(selection, measurement, sources)
        selected = selection.uses(measurement.source)
        number = self.memory.measured(measurement, selected=selected)
        if not selected:
            self.timekeeper.take_limits(measurement)
            return False
        innovation, scores = self.timekeeper.measure(measurement)
        self.memory.scored(number, scores)
        noise_s = innovation.noise_variance**0.5
        sources.feedback(measurement.source, innovation.residual_s / noise_s)
        self._watch(innovation, measurement.raw_ns, sources)
        return True

    def plan(self, raw_ns: int, sources: Sources, *, models_ready: bool) -> Plan:
        """Say where time should be at an instant, and what it is worth."""
        self._mind_leap(raw_ns, sources)
        self.target = self.timekeeper.target(raw_ns)
        before = self.state.status
        after = self.state.judge(raw_ns, self._facts(raw_ns, sources))
        self.timekeeper.judging = after in READY
        if after is before:
            self.memory.save_if_due(raw_ns, self._standing())
        else:
            self.save(raw_ns)  # what the time is worth decides whether a restart may go on
        about = self._describe(bool(sources.selected().survivors), models_ready)
        generation, marker = self._generation, self._marker
        return Plan(raw_ns, self.target, about, self._suspended_ns, generation, marker)

    def slept(self, clocks: HostClocks, sources: Sources) -> None:
        """Forget the clock after a suspend of the host; a sleep already known changes nothing."""
        if not clocks.slept_since(self._suspended_ns):
            return
        slept_s = (clocks.suspended_ns - self._suspended_ns) * 1e-9
        self._suspended_ns = clocks.suspended_ns
        self._forget(clocks.raw_ns, f"the host slept for {slept_s:.1f} s")
        sources.burst(forget=True)

    def moved(self, raw_ns: int, marker: int | None, sources: Sources) -> None:
        """Forget the clock when VMClock has another marker; one already known changes nothing."""
        if marker == self._marker:
            return
        self._marker = marker
        self._forget(raw_ns, "the virtual machine was migrated or restored (VMClock)")
        sources.burst(forget=True)

    def save(self, raw_ns: int) -> None:
        """Save what a restart goes on with."""
        self.memory.save(raw_ns, self._standing())

    def _mind_leap(self, raw_ns: int, sources: Sources) -> None:
        """Serve no time around an announced leap second; then measure anew.

        UTC repeats or leaves out a second, servers do so in ways of their own, and no reading of
        RAW tells which side of it one is on.
        """
        if self._leap_over_ns is not None:
            if raw_ns >= self._leap_over_ns:
                self._leap_over_ns, self._warm_since_ns = None, raw_ns
                sources.burst(forget=True)
            return
        if not self.timekeeper.leap_flags(self._believed) & (Flags.LEAP_INSERT | Flags.LEAP_DELETE):
            return
        state = self.timekeeper.state(raw_ns)
        if state is None:
            return
        utc_ns = raw_ns + state.offset_ns
        left_ns = month_ends_ns(utc_ns) - utc_ns
        if left_ns <= LEAP_BEFORE_NS:
            self._leap_over_ns = raw_ns + left_ns + LEAP_AFTER_NS
            self._forget(raw_ns, "a leap second is due")

    def _ask_all_in_doubt(self, selection: Selection, raw_ns: int, sources: Sources) -> None:
        """Ask all sources at once when one turns against the others: a liar, or the clock moved.

        Whoever is asked first after the move of a virtual machine looks like a liar until the
        others were asked as well, and until then the time is wrong.
        """
        if _contradicting(selection) & self.timekeeper.contributors:
            self._ask_all(raw_ns, sources)

    def _ask_all(self, raw_ns: int, sources: Sources) -> None:
        if self._doubted_ns is None or raw_ns - self._doubted_ns >= DOUBT_PERIOD_NS:
            self._doubted_ns = raw_ns
            sources.burst()

    def _compare(self, selection: Selection, measurement: Measurement, sources: Sources) -> None:
        """Start over when those who are believed agree on a time that ours cannot be.

        Two things tell: what was measured now and the bound exclude each other, and the estimate
        is outside of what the sources share.
        """
        raw_ns, half_ns = measurement.raw_ns, measurement.root_distance_ns
        limits = self.timekeeper.bound.at(raw_ns)
        if limits is None or not selection.uses(measurement.source):
            return
        if limits.low_ns - half_ns <= measurement.offset_ns <= limits.high_ns + half_ns:
            return
        state, low_ns, high_ns = self.timekeeper.state(raw_ns), selection.low_ns, selection.high_ns
        if state is None or low_ns is None or high_ns is None:
            return
        if not low_ns <= state.offset_ns <= high_ns:
            apart_ms = (measurement.offset_ns - state.offset_ns) * 1e-6
            self._forget(raw_ns, f"the sources agree on a time {apart_ms:+.3f} ms from ours")
            sources.burst(forget=True)  # their samples are from before and after it moved

    def _disown(self, selection: Selection) -> None:
        liars = {s for s, why in selection.reasons.items() if why is Reason.FALSETICKER}
        self.timekeeper.bound.doubt(liars)
        if liars & self.timekeeper.contributors:
            _log.warning("estimate rebuilt without %s", ", ".join(sorted(liars)))
            self.timekeeper.disbelieve(liars)

    def _standing(self) -> Standing:
        return Standing(
            servers=tuple(self.configured.ntp.servers),
            suspended_ns=self._suspended_ns,
            status=self.state.status,
            believed=self._believed,
            marker=self._marker,
        )

    def _watch(self, innovation: Innovation, raw_ns: int, sources: Sources) -> None:
        self._outliers = self._outliers + 1 if innovation.outlier else 0
        if self._outliers == SURPRISES:
            self._ask_all(raw_ns, sources)
        unconfirmed, self._unconfirmed = self._unconfirmed, False
        if unconfirmed and innovation.outlier:
            moved_ms = innovation.residual_s * 1e3
            self._forget(raw_ns, f"resumed, but the first measurement is {moved_ms:+.3f} ms off")
        elif innovation.reacquired:
            moved_ms = innovation.residual_s * 1e3
            self._disrupted(raw_ns, f"all measurements moved by about {moved_ms:+.3f} ms at once")
            sources.burst()  # there is no bound until most of them are measured again

    def _forget(self, raw_ns: int, reason: str) -> None:
        """Start over: what was measured before says nothing of the clock any more."""
        self.timekeeper.disrupt()
        self._generation += 1
        self._disrupted(raw_ns, reason)

    def _disrupted(self, raw_ns: int, reason: str) -> None:
        self._counted_from = self.timekeeper.accepted
        self._warm_since_ns = raw_ns
        self.state.change(raw_ns, Status.DISRUPTED, reason)

    def _facts(self, raw_ns: int, sources: Sources) -> Facts:
        newest = self.timekeeper.newest_raw_ns
        reports = sources.sources()
        polls = [s.poll_s for s in reports if s.id in self._believed and s.poll_s is not None]
        timing = self.configured.timing
        shortest_s = timing.normal_operation.measurement_interval
        believed = len(sources.selected().survivors)
        return Facts(
            has_time=self.target is not None,
            warm_up_over=raw_ns - self._warm_since_ns >= timing.warm_up.duration_seconds * 1e9,
            measurements=self.timekeeper.accepted - self._counted_from,
            believed=believed or self._believed_from_before(reports),
            silent_s=(raw_ns - newest) * 1e-9 if newest is not None else float("inf"),
            patience_s=POLLS_OF_SILENCE * max(min(polls, default=0.0), shortest_s),
        )

    def _believed_from_before(self, reports: list[SourceReport]) -> int:
        """After a restart the sources from before are believed until they were asked again."""
        asked = any(report.reach for report in reports)
        return 0 if asked or self.timekeeper.accepted else len(self._believed)

    def _describe(self, ntp_ready: bool, models_ready: bool) -> Description:
        status = self.state.status
        flags = self.timekeeper.leap_flags(self._believed)
        for flag, holds in (
            (Flags.NTP_READY, ntp_ready),
            (Flags.MODELS_READY, models_ready),
            (Flags.VALID, status in SERVING),
            (Flags.WARM_UP_COMPLETE, status in READY),
        ):
            flags |= flag if holds else Flags(0)
        return Description(
            status=status,
            flags=flags,
            source=_source(status, self.target),
            confidence=self.timekeeper.calibration.confidence,
            last_sync_raw_ns=self.timekeeper.newest_raw_ns or 0,
            measurements=self.timekeeper.accepted,
        )


def _contradicting(selection: Selection) -> set[str]:
    against = {Reason.FALSETICKER, Reason.NO_MAJORITY}
    return {source for source, why in selection.reasons.items() if why in against}


def _source(status: Status, target: Target | None) -> Source:
    if target is None:
        return Source.NONE
    if status is Status.HOLDOVER:
        return Source.HOLDOVER
    heaviest = max(target.fused.members, key=lambda member: member.weight)
    if heaviest.weight < ALONE:
        return Source.FUSION
    return Source.NTP if heaviest.model == BASELINE else Source.MODEL
