"""The daemon: one asyncio process that wires the stops of the path together.

Data flows one way: measurement -> timekeeper -> target -> record. Nothing here computes time; the
timekeeper does, and the publisher shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any

from chronotick.clock import HostClocks, Innovation, read_clocks
from chronotick.config import ConfigError
from chronotick.config.schema import Config
from chronotick.daemon.control import ControlServer
from chronotick.daemon.loops import SteadyThread, Ticker
from chronotick.daemon.memory import Memory
from chronotick.daemon.notify import sd_notify, watchdog_interval_s
from chronotick.daemon.prediction import PredictionLoop
from chronotick.daemon.publisher import Description, Plan, Publisher
from chronotick.daemon.report import Reporter
from chronotick.daemon.status import Facts, StateMachine, Transition, words
from chronotick.daemon.steering import Steering
from chronotick.daemon.timekeeper import Target, Timekeeper
from chronotick.daemon.zoo import Zoo
from chronotick.fusion.fuse import BASELINE
from chronotick.ntp import Measurement, NtpMonitor, Reason
from chronotick.plugin.registry import Plugins, UnknownModel
from chronotick.shm.clocks import raw_ns as raw_now_ns
from chronotick.shm.layout import Flags, Source, Status
from chronotick.shm.writer import RecordWriter

PLAN_PERIOD_S = 1.0  # how often the target is computed without an event
POLLS_OF_SILENCE = 3.0  # unanswered polls after which the clock is in holdover
ALONE = 0.999  # weight from which one model is all there is
RELOADED = ("clock_measurement.", "short_term.", "long_term.", "logging.", "shm.frequency")

Work = Callable[[], Coroutine[Any, Any, None]]

_log = logging.getLogger("chronotick.daemon")


class Daemon:
    """Runs until it is told to stop.

    Args:
        config: a valid configuration.
        plugins: the installed models.
        reload: returns the configuration anew, for SIGHUP.

    Raises:
        UnknownModel: the configuration names a model that no plugin provides.
    """

    def __init__(self, config: Config, plugins: Plugins, reload: Callable[[], Config]) -> None:
        self.config = config
        self.started_raw_ns = read_clocks().raw_ns
        self.timekeeper = Timekeeper(config)
        self.state = StateMachine(self._on_transition)
        self.zoo = Zoo(plugins, config.control.socket.parent)
        self.loops: list[PredictionLoop] = []
        self.target: Target | None = None
        self.plugins = plugins
        self._reload = reload
        self._believed: frozenset[str] = frozenset()
        self._warm_since_ns = self.started_raw_ns
        self._counted_from = 0
        self._suspended_ns = read_clocks().suspended_ns
        self._generation = 0
        self._stop = asyncio.Event()
        self._loop_tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Serve time until a signal or :meth:`stop`.

        Raises:
            RecordError, ControlError: the record or the socket cannot be taken; nothing was
                changed.
        """
        if self.config.process.cpu_affinity:
            os.sched_setaffinity(0, self.config.process.cpu_affinity)
        async with contextlib.AsyncExitStack() as stack:
            await self._open(stack)
            await self._serve(stack)
        _log.info("stopped")

    def stop(self) -> None:
        """End :meth:`run` in good order."""
        self._stop.set()

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        config = self.config
        writer = RecordWriter(config.shm.path)
        stack.callback(writer.close)
        last = writer.last()
        self.publisher = Publisher(
            writer,
            Steering(
                config.shm.max_slew_ppm * 1e-6, round(config.shm.step_threshold_seconds * 1e9)
            ),
            round(config.shm.validity_seconds * 1e9),
            epoch=last.epoch if last else 0,
        )
        self.memory = Memory.open(config.history, self.timekeeper)
        stack.callback(self.memory.close)
        resumed = self.memory.resume(self.started_raw_ns, self._suspended_ns)
        self.monitor = NtpMonitor(
            config.clock_measurement.ntp,
            config.clock_measurement.timing,
            self._on_measurement,
            burst_at_start=not resumed,
        )
        if resumed:
            self._resume()
        self._loop = asyncio.get_running_loop()
        self._publisher_failed: asyncio.Future[None] = self._loop.create_future()
        self.publishing = SteadyThread(
            1.0 / config.shm.frequency, self._publish, self._on_publisher_failure
        )
        self.reporter = Reporter(self)
        control = ControlServer(config.control.socket, self.reporter.methods)
        await control.start()
        stack.push_async_callback(control.close)
        stack.push_async_callback(self.zoo.close)
        await self.zoo.use(config)

    async def _serve(self, stack: contextlib.AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_signal, number)
            stack.callback(loop.remove_signal_handler, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload_signal)
        stack.callback(loop.remove_signal_handler, signal.SIGHUP)
        self._plan()
        stack.callback(self.publishing.stop)
        self.publishing.start()
        tasks = [asyncio.create_task(work(), name=name) for name, work in self._work().items()]
        self._start_loops()
        sd_notify(f"READY=1\nMAINPID={os.getpid()}")
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        sd_notify("STOPPING=1")
        self.memory.save(read_clocks().raw_ns, self._suspended_ns)
        await _cancel([*tasks, *self._loop_tasks, stopping])
        for task in done - {stopping}:
            task.result()  # a task that ended by itself ended by a mistake: show it

    def _work(self) -> dict[str, Work]:
        work: dict[str, Work] = {
            "measure": self.monitor.run,
            "publish": self._publisher_failure,
            "plan": Ticker(PLAN_PERIOD_S, self._plan).run,
        }
        interval_s = watchdog_interval_s()
        if interval_s is not None:
            work["watchdog"] = Ticker(interval_s, lambda: sd_notify("WATCHDOG=1")).run
        return work

    def _start_loops(self) -> None:
        config = self.config
        self.loops = [
            PredictionLoop(
                name,
                predictor,
                self.timekeeper,
                read_raw_ns=lambda: read_clocks().raw_ns,
                local=self.zoo.local(predictor),
                remote=self.zoo.remote(predictor),
            )
            for name, predictor in (
                ("short_term", config.short_term),
                ("long_term", config.long_term),
            )
            if predictor.enabled
        ]
        self._loop_tasks = [asyncio.create_task(self._predict(loop)) for loop in self.loops]

    async def _predict(self, loop: PredictionLoop) -> None:
        try:
            await loop.run()
        except Exception:  # noqa: BLE001 - it is logged whole
            # Forecasts are worth less than the clock: it goes on without them.
            _log.exception("a prediction loop ended by a mistake; the clock goes on without it")

    def _resume(self) -> None:
        self._believed = self.timekeeper.contributors
        self._warm_since_ns = 0
        self.state.change(
            self.started_raw_ns, Status.SYNCHRONISED, "resumed from before the restart"
        )

    def _on_measurement(self, measurement: Measurement) -> None:
        selection = self.monitor.selected()
        liars = {s for s, why in selection.reasons.items() if why is Reason.FALSETICKER}
        if liars & self.timekeeper.contributors:
            _log.warning("estimate rebuilt without %s", ", ".join(sorted(liars)))
            self.timekeeper.disbelieve(liars)
        selected = selection.uses(measurement.source)
        if selection.survivors:
            self._believed = frozenset(selection.survivors)
        stored = self.memory.measured(measurement, selected=selected)
        if not selected:
            return
        innovation, scores = self.timekeeper.measure(measurement)
        self.memory.scored(stored, scores)
        noise_s = innovation.noise_variance**0.5
        self.monitor.feedback(measurement.source, innovation.residual_s / noise_s)
        self._watch(innovation, measurement)
        for loop in self.loops:
            loop.measured()
        self._plan()

    def _watch(self, innovation: Innovation, measurement: Measurement) -> None:
        if not innovation.reacquired:
            return
        moved_ms = innovation.residual_s * 1e3
        self._counted_from = self.timekeeper.accepted
        self._warm_since_ns = measurement.raw_ns
        self.state.change(
            measurement.raw_ns,
            Status.DISRUPTED,
            f"all measurements moved by about {moved_ms:+.3f} ms at once",
        )

    def _plan(self) -> None:
        """Compute where time should be and what it is worth."""
        raw_ns = read_clocks().raw_ns
        self.target = self.timekeeper.target(raw_ns, self._believed)
        self.state.judge(raw_ns, self._facts(raw_ns))
        self._announce()
        self.memory.save_if_due(raw_ns, self._suspended_ns)

    def _announce(self) -> None:
        """Hand the publisher a new plan."""
        self._published_plan = Plan(
            self.target, self._describe(), self._suspended_ns, self._generation
        )

    def _facts(self, raw_ns: int) -> Facts:
        newest = self.timekeeper.newest_raw_ns
        polls = [s.poll_s for s in self.monitor.sources() if s.id in self._believed and s.poll_s]
        timing = self.config.clock_measurement.timing
        warm_up = self.config.clock_measurement.timing.warm_up.duration_seconds
        return Facts(
            has_time=self.target is not None,
            warm_up_over=raw_ns - self._warm_since_ns >= warm_up * 1e9,
            measurements=self.timekeeper.accepted - self._counted_from,
            believed=len(self.monitor.selected().survivors) or self._resumed_sources(),
            silent_s=(raw_ns - newest) * 1e-9 if newest is not None else float("inf"),
            patience_s=POLLS_OF_SILENCE
            * max(min(polls, default=0.0), timing.normal_operation.measurement_interval),
        )

    def _resumed_sources(self) -> int:
        """After a restart the sources from before are believed until they were asked again."""
        asked = any(source.reach for source in self.monitor.sources())
        return 0 if asked or self.timekeeper.accepted else len(self._believed)

    def _describe(self) -> Description:
        status = self.state.status
        return Description(
            status=status,
            flags=self._flags(status),
            source=self._source(status),
            confidence=self.timekeeper.calibration.confidence,
            last_sync_raw_ns=self.timekeeper.newest_raw_ns or 0,
            measurements=self.timekeeper.accepted,
        )

    def _flags(self, status: Status) -> Flags:
        flags = Flags(0)
        if self.monitor.selected().survivors:
            flags |= Flags.NTP_READY
        if self.zoo.ready:
            flags |= Flags.MODELS_READY
        if status in {Status.WARMING_UP, Status.SYNCHRONISED, Status.HOLDOVER}:
            flags |= Flags.VALID
        if status in {Status.SYNCHRONISED, Status.HOLDOVER}:
            flags |= Flags.WARM_UP_COMPLETE
        return flags | self.timekeeper.leap_flags(self._believed)

    def _source(self, status: Status) -> Source:
        if self.target is None:
            return Source.NONE
        if status is Status.HOLDOVER:
            return Source.HOLDOVER
        heaviest = max(self.target.fused.members, key=lambda member: member.weight)
        if heaviest.weight < ALONE:
            return Source.FUSION
        return Source.NTP if heaviest.model == BASELINE else Source.MODEL

    def _publish(self) -> None:
        """One tick of the publisher; in its thread."""
        plan = self._published_plan
        if self.publisher.renew(raw_now_ns(), plan):
            return
        clocks = read_clocks()
        self.publisher.tick(clocks, plan)
        if clocks.suspended_ns != plan.suspended_ns:
            self._loop.call_soon_threadsafe(self._on_suspend, clocks)

    def _on_publisher_failure(self, error: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._publisher_failed.set_exception, error)

    async def _publisher_failure(self) -> None:
        await self._publisher_failed

    def _on_suspend(self, clocks: HostClocks) -> None:
        if clocks.suspended_ns == self._suspended_ns:
            return  # several ticks reported the same sleep
        slept_s = (clocks.suspended_ns - self._suspended_ns) * 1e-9
        self._suspended_ns = clocks.suspended_ns
        self.timekeeper.disrupt()
        self.target = None
        self._counted_from = self.timekeeper.accepted
        self._warm_since_ns = clocks.raw_ns
        self.state.change(clocks.raw_ns, Status.DISRUPTED, f"the host slept for {slept_s:.1f} s")
        self._generation += 1
        self.monitor.burst(forget=True)
        self._announce()

    def _on_transition(self, transition: Transition) -> None:
        self.memory.changed(transition, self._utc_ns(transition.raw_ns))
        sd_notify(f"STATUS={words(transition.after)}: {transition.reason}")

    def _utc_ns(self, raw_ns: int) -> int:
        """The best known UTC of an instant: ours, or the system's while there is none."""
        state = self.timekeeper.state(raw_ns)
        return raw_ns + state.offset_at(raw_ns) if state else time.time_ns()

    def _on_stop_signal(self, number: signal.Signals) -> None:
        _log.info("%s: stopping", signal.Signals(number).name)
        self.stop()

    def _on_reload_signal(self) -> None:
        self._reloading = asyncio.create_task(self._take_configuration())

    async def _take_configuration(self) -> None:
        """Read the configuration anew; a bad one is refused and the old one stays."""
        sd_notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            config = self._reload()
            await self.zoo.use(config)
            self.monitor.reconfigure(config.clock_measurement.ntp, config.clock_measurement.timing)
        except (ConfigError, UnknownModel, ValueError) as error:
            _log.error("configuration not reloaded, the old one stays: %s", error)
        else:
            _warn_of_restart_only(self.config, config)
            self.config = config
            logging.getLogger("chronotick").setLevel(config.logging.level)
            self.publishing.period_s = 1.0 / config.shm.frequency
            await _cancel(self._loop_tasks)
            self._start_loops()
            _log.info("configuration reloaded")
        sd_notify("READY=1")


def _warn_of_restart_only(old: Config, new: Config) -> None:
    before, after = dict(_leaves(old.model_dump())), dict(_leaves(new.model_dump()))
    for dotted in sorted(after.keys() | before.keys()):
        if before.get(dotted) != after.get(dotted) and not dotted.startswith(RELOADED):
            _log.warning("%s changed: it takes effect when the daemon is restarted", dotted)


def _leaves(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
