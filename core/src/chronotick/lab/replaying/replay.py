"""The daemon's own code over recorded measurements, on virtual time.

Causal: an estimate at t has seen the measurements whose reply had arrived by t, and nothing else of
the recording. Deterministic where all models run in process; what a worker takes is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chronotick.config.schema import Config
from chronotick.daemon.publisher import ROUNDING_NS
from chronotick.daemon.timekeeper import Target
from chronotick.lab.recordings.recording import Arrival, Recording
from chronotick.lab.replaying.driving import Drive
from chronotick.lab.replaying.estimate import Estimate, MemberEstimate
from chronotick.lab.replaying.host import VirtualHost
from chronotick.lab.replaying.listening import WarningsHeard
from chronotick.lab.replaying.models import Models
from chronotick.lab.replaying.summary import Summary, Tally
from chronotick.lab.replaying.traced import Happening, TracedRecording
from chronotick.plugin.registry import Plugins, load_plugins

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What of a recording is replayed, in local time of the recording.

    Attributes:
        every_ns: time between estimates, above 0; they lie on its multiples.
        start_ns: measurements before are not seen; ``None``: the first.
        until_ns: where estimates end, also beyond the recording; ``None``: the last measurement.
        gaps: measurements that arrive in ``from <= t < to`` are not seen.
        at_ns: instants of the estimates, ascending, in place of the multiples of ``every_ns``.
    """

    every_ns: int = 10 * NS_PER_S
    start_ns: int | None = None
    until_ns: int | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    at_ns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.every_ns <= 0:
            raise ValueError(f"every_ns is {self.every_ns}: it must be above 0")

    def arrivals(self, recording: Recording) -> list[Arrival]:
        """What is seen of a recording."""
        return [each for each in recording.arrivals if self._sees(recording.local_ns(each.raw_ns))]

    def notes(self, recording: Recording) -> tuple[str, ...]:
        """What was asked to be hidden, and is not there; in sentences."""
        local_ns = [recording.local_ns(each.raw_ns) for each in recording.arrivals]
        idle = [
            f"the gap from {low / NS_PER_S:.3f} to {high / NS_PER_S:.3f} s"
            for low, high in self.gaps
            if not any(low <= each < high for each in local_ns)
        ]
        if self.start_ns is not None and self.start_ns <= local_ns[0]:
            idle.insert(0, f"beginning at {self.start_ns / NS_PER_S:.3f} s")
        return tuple(f"{each} hides no measurement. {_range_of(recording)}" for each in idle)

    def _sees(self, local_ns: int) -> bool:
        if self.start_ns is not None and local_ns < self.start_ns:
            return False
        if self.until_ns is not None and local_ns > self.until_ns:
            return False
        return not any(low <= local_ns < high for low, high in self.gaps)


class NothingToReplayError(Exception):
    """Raised when no measurement lies in the excerpt, or no estimate comes of those that do."""


class Replay:
    """One replay: iterate over it once, inside a ``with`` statement, for its estimates.

    It must not run inside a running asyncio event loop: use a thread there.

    Args:
        recording: what was measured.
        config: as the daemon's; ``None``: the defaults. Servers in it mean nothing.
        excerpt: what is replayed, and how often an estimate is wanted.
        plugins: what is installed; ``None``: look.

    Raises:
        NothingToReplayError: no measurement lies in the excerpt.
        UnknownModel: no plugin provides a model of the configuration.
        ModelUnavailableError: a model cannot be started.
    """

    def __init__(
        self,
        recording: Recording,
        config: Config | None = None,
        excerpt: Excerpt | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        self.recording = recording
        self.config = config or Config()
        self.excerpt = excerpt or Excerpt()
        self._arrivals = self.excerpt.arrivals(recording)
        if not self._arrivals:
            raise NothingToReplayError(
                f"{recording.path}: no measurement lies in what is replayed. {_range_of(recording)}"
            )
        self._tally = Tally()
        self._summary: Summary | None = None
        self._plugins = plugins
        self._open = ExitStack()
        self._models: Models | None = None

    def __enter__(self) -> Self:
        models = Models(self.config, self._plugins or load_plugins())
        self._models = self._open.enter_context(models)
        return self

    def __exit__(self, *error: object) -> None:
        del error
        self._models = None
        self._open.close()

    @property
    def span_ns(self) -> tuple[int, int]:
        """Local time of the first and the last instant that is replayed."""
        last_ns = self.recording.local_ns(self._arrivals[-1].raw_ns)
        until_ns = self.excerpt.until_ns
        first_ns = self.recording.local_ns(self._arrivals[0].raw_ns)
        return first_ns, max(first_ns, last_ns if until_ns is None else until_ns)

    def __iter__(self) -> Iterator[Estimate]:
        """Yield an estimate for each instant of the grid from the first that has one.

        Raises:
            ModelUnavailableError: a model died and does not come back.
            NothingToReplayError: there was no estimate at any of them, or what the daemon of a
                trace went on from cannot be taken up.
            SteppedBackError: served time ran backwards within an epoch.
            RuntimeError: it is not in a ``with`` statement.
        """
        models = self._models
        if models is None:
            raise RuntimeError("a replay has models only inside its `with` statement")
        began_s = time.perf_counter()
        with WarningsHeard() as heard, self._host(models) as host:
            drive = Drive(host, self._arrivals, self._happenings)
            for raw_ns in self._grid():
                drive.until(raw_ns)
                estimate = self._estimate(host, raw_ns)
                if estimate is not None:
                    self._tally.count(estimate)
                    yield estimate
            drive.until(self.recording.raw_ns(self.span_ns[1]))
            self._summary = self._tally.summary(
                host,
                models,
                replayed_s=(self.span_ns[1] - self.span_ns[0]) / NS_PER_S,
                wall_s=time.perf_counter() - began_s,
                shift_ns=self.recording.shift_ns,
                warnings=dict(heard.counts),
            )
        if not self._tally.rows:
            raise NothingToReplayError(f"{self.recording.path}: no estimate. {self._why_none()}")

    @property
    def summary(self) -> Summary | None:
        """What it came to; ``None`` until the last estimate was taken."""
        return self._summary

    @property
    def _trace(self) -> TracedRecording | None:
        """The trace that is replayed as it was; a part of one is a recording like any other."""
        recording, excerpt = self.recording, self.excerpt
        whole = excerpt.start_ns is None and not excerpt.gaps
        return recording if whole and isinstance(recording, TracedRecording) else None

    @property
    def _happenings(self) -> tuple[Happening, ...]:
        return () if self._trace is None else self._trace.happenings

    def _host(self, models: Models) -> VirtualHost:
        trace = self._trace
        if trace is None:
            return VirtualHost(self.config, models, self._arrivals[0].raw_ns)
        try:
            return VirtualHost(
                self.config,
                models,
                min(trace.start_raw_ns, self._arrivals[0].raw_ns),
                suspended_ns=trace.suspended_ns,
                began=trace.began,
                is_told=True,
            )
        except (ValueError, ArithmeticError) as error:
            raise NothingToReplayError(
                f"{trace.path}: what the daemon went on from cannot be taken up: {error}. Replay "
                "it with the chronotick that wrote it, or a part of it: --from"
            ) from error

    def _grid(self) -> Iterator[int]:
        if self.excerpt.at_ns:
            yield from map(self.recording.raw_ns, self.excerpt.at_ns)
            return
        every_ns = self.excerpt.every_ns
        first_ns, last_ns = self.span_ns
        for number in range(-(-first_ns // every_ns), last_ns // every_ns + 1):
            yield self.recording.raw_ns(number * every_ns)

    def _why_none(self) -> str:
        first_ns, last_ns = self.span_ns
        every_s = self.excerpt.every_ns / NS_PER_S
        if next(self._grid(), None) is None:
            return (
                f"Between {first_ns / NS_PER_S:.3f} s (the first measurement) and "
                f"{last_ns / NS_PER_S:.3f} s lies no multiple of {every_s:g} s, the time between "
                "estimates. End later, or ask for them more often"
            )
        assert self._summary is not None  # noqa: S101 - made before this is asked
        return f"What became of the answers of each source: {self._summary.silence}"

    def _estimate(self, host: VirtualHost, raw_ns: int) -> Estimate | None:
        plan = host.plan if host.plan.made_raw_ns == raw_ns else host.make_plan(raw_ns)
        target = plan.target
        if target is None:
            return None
        shift_ns = self.recording.shift_ns
        served_ns = host.served.offset_at(raw_ns)
        return Estimate(
            local_ns=raw_ns - shift_ns,
            offset_ns=target.offset_ns + shift_ns,
            sigma_ns=target.sigma_ns,
            bound_ns=_half_width(target) if host.is_bounded() else None,
            status=plan.about.status,
            source=plan.about.source,
            served_offset_ns=None if served_ns is None else served_ns + shift_ns,
            members=tuple(
                MemberEstimate(each.model, each.offset_ns + shift_ns, each.sigma_s, each.weight)
                for each in target.fused.members
            ),
        )


def replay(
    recording: Recording,
    config: Config | None = None,
    excerpt: Excerpt | None = None,
    plugins: Plugins | None = None,
) -> Iterator[Estimate]:
    """Yield the estimates of a replay as it goes on; arguments and errors as :class:`Replay`."""
    with Replay(recording, config, excerpt, plugins) as running:
        yield from running


def _range_of(recording: Recording) -> str:
    first_ns, last_ns = (recording.local_ns(recording.arrivals[n].raw_ns) for n in (0, -1))
    return f"Its local times are {first_ns / NS_PER_S:.3f} to {last_ns / NS_PER_S:.3f} s"


def _half_width(target: Target) -> int:
    """Distance from the estimate to the farther hard limit, as the publisher rounds it."""
    wider_ns = max(target.high_ns - target.offset_ns, target.offset_ns - target.low_ns)
    return wider_ns + ROUNDING_NS
