"""The daemon: one asyncio process that wires the stops of the path together and runs them.

Data flows one way: measurement -> clockwork -> plan -> publisher -> record. What is decided is
decided in the clockwork; here is only what makes it run: tasks, a thread, signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from chronotick.clock import (
    Covariates,
    HostClocks,
    StepWatch,
    VMClock,
    read_clocks,
    suspended_baseline_ns,
)
from chronotick.config import ConfigError
from chronotick.config.schema import Config
from chronotick.daemon import trace_lines as lines
from chronotick.daemon.authenticity import Authenticity
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.companions import Companions
from chronotick.daemon.control import ControlServer
from chronotick.daemon.heap import TRIM_PERIOD_S, trim_heap
from chronotick.daemon.in_force import fingerprint
from chronotick.daemon.loops import SteadyThread, Ticker, cancel
from chronotick.daemon.memory import READING_PERIOD_S, Memory
from chronotick.daemon.notify import sd_notify, watchdog_interval_s
from chronotick.daemon.pool_watchdog import PoolWatchdog
from chronotick.daemon.predictions import Predictions
from chronotick.daemon.publisher import Publisher
from chronotick.daemon.reload import effective, needing_restart
from chronotick.daemon.report import Reporter
from chronotick.daemon.status import StateMachine, Transition
from chronotick.daemon.surroundings import KEEP, PERIOD_S, Surroundings
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.daemon.trace import Trace, TraceFileError
from chronotick.daemon.tracing import TracedMonitor
from chronotick.daemon.zoo import Zoo, wanted
from chronotick.ntp import Measurement, NtpMonitor
from chronotick.plugin.registry import Discovery, PluginProblem, Plugins, UnknownModel
from chronotick.shm.clocks import raw_ns as raw_now_ns
from chronotick.shm.clocks import suspended_ns
from chronotick.shm.record import MAX_WIDTH_NS, bound_at, is_void, time_at
from chronotick.shm.writer import RecordWriter

PLAN_PERIOD_S = 1.0  # how often there is a new plan without an event

Work = Callable[[], Coroutine[Any, Any, None]]

_log = logging.getLogger("chronotick.daemon")


class Daemon:
    """Runs until it is told to stop.

    Args:
        config: a valid configuration.
        discovery: the installed models; those it does not know yet are used when it does.
        reload: returns the configuration anew, for SIGHUP.
        path: the file the configuration is from, for those who ask; None: there is none.

    Attributes:
        file_read: fingerprint of that file as it was read last and taken.

    Raises:
        UnknownModel: the configuration names a model that no plugin provides.
    """

    def __init__(
        self,
        config: Config,
        discovery: Discovery,
        reload: Callable[[], Config],
        path: Path | None = None,
    ) -> None:
        self._discovery = discovery
        self.config = config
        self.plugins = discovery.plugins
        wanted(config, self.plugins)
        self.zoo = Zoo(self.plugins, config.control.socket.parent)
        self._reload = reload
        self.path = path
        self.file_read = fingerprint(path) if path else None
        self._surroundings, self._covariates = Surroundings(), Covariates(KEEP)
        self.trace: Trace | None = None

    async def run(self) -> None:
        """Serve time until a signal.

        Raises:
            RecordError, ControlSocketError: the record or the socket cannot be taken; nothing was
                changed.
        """
        if self.config.process.cpu_affinity:
            os.sched_setaffinity(0, self.config.process.cpu_affinity)
        self._event_loop = asyncio.get_running_loop()
        self._event_loop.set_exception_handler(on_loop_trouble)
        self._stop = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._errands: set[asyncio.Task[None]] = set()
        async with contextlib.AsyncExitStack() as stack:
            self._handle_signals(stack)
            await self._open(stack)
            await self._serve(stack)
        _log.info("stopped")

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        """Take the record, open the history, go on from before; the first failure ends it."""
        config, raw_ns = self.config, raw_now_ns()
        writer = RecordWriter(config.shm.path)
        stack.callback(writer.close)
        self.publisher = Publisher.continuing(writer, config.shm)
        self._steps, self._vmclock = StepWatch(), VMClock()
        stack.callback(self._steps.close)
        stack.callback(self._vmclock.close)
        timekeeper = Timekeeper(config)
        self.memory = Memory.open(config.history, timekeeper)
        stack.callback(self.memory.close)
        self.clockwork = Clockwork(
            timekeeper,
            self.memory,
            StateMachine(self._on_transition, raw_ns),
            config.clock_measurement,
            raw_ns=raw_ns,
            suspended_ns=suspended_baseline_ns(),
            marker=self._vmclock.marker(),
        )
        resumed = self.clockwork.resume(raw_ns)
        self.trace = self._open_trace(stack, raw_ns, resumed=resumed)
        self.predictions = Predictions(self.zoo, timekeeper, self._covariates, self.trace)
        self.monitor = self._new_monitor()
        self.authenticity = Authenticity(self.monitor)
        self.pool_watchdog = PoolWatchdog(self._served, self.monitor, self._make_plan, self.memory)
        stack.push_async_callback(self.pool_watchdog.close)
        self._publisher_failed: asyncio.Future[None] = self._event_loop.create_future()
        self.publishing = SteadyThread(
            1.0 / config.shm.frequency,
            self._publish,
            self._on_publisher_failure,
            self._sleep_between,
        )
        self.control = ControlServer(config.control.socket, Reporter(self).methods)
        await self.control.start()
        stack.push_async_callback(self.control.close)
        stack.push_async_callback(self.zoo.close)
        await self.zoo.use(config)
        self.companions = Companions()
        stack.push_async_callback(self.companions.close)

    def _open_trace(
        self, stack: contextlib.AsyncExitStack, raw_ns: int, *, resumed: bool
    ) -> Trace | None:
        """Begin the debug trace, if there is to be one; what is wrong with it stops no clock."""
        config, path = self.config, self.config.logging.debug_trace
        if path is None:
            return None
        clocks = replace(read_clocks(), raw_ns=raw_ns, suspended_ns=self.clockwork.suspended_ns)
        header = lines.header(config, self.plugins.origins, clocks)
        try:
            trace = Trace(path, header, config.logging.debug_trace_max_mb * 1_000_000)
        except TraceFileError as error:
            _log.error("%s. The daemon runs without a trace", error)
            return None
        stack.callback(trace.close)
        keeper = self.clockwork.timekeeper
        saved = keeper.snapshot() if resumed else None
        trace.note(lines.began, self.clockwork.believed, saved, keeper.skill.snapshot())
        return trace

    def _new_monitor(self) -> NtpMonitor:
        configured = self.config.clock_measurement
        if self.trace is None:
            return NtpMonitor(configured.ntp, configured.timing, self._on_measurement)
        return TracedMonitor(configured.ntp, configured.timing, self._on_measurement, self.trace)

    async def _serve(self, stack: contextlib.AsyncExitStack) -> None:
        """Run everything until a signal, or until a part of it ends by a mistake."""
        await self.pool_watchdog.use(self.config.clock_measurement)  # an alarm may still stand
        self._make_plan()
        # What was imported stays: looking through it again would hold up the publisher for 30 ms.
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        stack.callback(self.publishing.stop)
        self.publishing.start()
        tasks = [asyncio.create_task(work(), name=name) for name, work in self._work().items()]
        self.predictions.start(self.config)
        self._discovery.watch(self._on_plugins)
        await self.companions.use(self.config)
        sd_notify(f"READY=1\nMAINPID={os.getpid()}")
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        sd_notify("STOPPING=1")
        self.clockwork.save(read_clocks().raw_ns)
        await cancel(self._errands)  # first: a reload begins predictions anew
        await self.predictions.stop()
        await cancel([*tasks, stopping])
        for task in done - {stopping}:
            task.result()  # raises what ended it

    def _handle_signals(self, stack: contextlib.AsyncExitStack) -> None:
        handlers = {
            signal.SIGTERM: self._on_stop,
            signal.SIGINT: self._on_stop,
            signal.SIGHUP: self._on_reload,
        }
        for number, handler in handlers.items():
            self._event_loop.add_signal_handler(number, handler, number)
            stack.callback(self._event_loop.remove_signal_handler, number)

    def _work(self) -> dict[str, Work]:
        work: dict[str, Work] = {
            "measure": self.monitor.run,
            "look around": Ticker(PERIOD_S, self._look_around).run,
            "publish": self._publisher_failure,
            "plan": Ticker(PLAN_PERIOD_S, self._make_plan).run,
            "watch the control socket": self.control.watch,
            "remember": Ticker(READING_PERIOD_S, self._remember).run,
            "trim the heap": Ticker(TRIM_PERIOD_S, trim_heap).run,
        }
        interval_s = watchdog_interval_s()
        if interval_s is not None:
            work["watchdog"] = Ticker(interval_s, lambda: sd_notify("WATCHDOG=1")).run
        return work

    def _on_measurement(self, measurement: Measurement) -> None:
        if self._was_interrupted():
            return  # its exchange may have begun before, and all servers are asked anew
        if self.clockwork.measure(measurement, self.monitor):
            self.predictions.measured()
            self._make_plan()

    def _was_interrupted(self) -> bool:
        """Whether the host has slept or moved, and no publication has noticed it yet."""
        plan, clocks, marker = self._plan, read_clocks(), self._vmclock.marker()
        has_moved, has_slept = marker != plan.marker, clocks.slept_since(plan.suspended_ns)
        if has_moved:
            self._on_move(clocks.raw_ns, marker)
        if has_slept:
            self._on_suspend(clocks)
        return has_moved or has_slept

    def _look_around(self) -> None:
        self._covariates.record(raw_now_ns(), self._surroundings.read())

    def _make_plan(self) -> None:
        self.zoo.look()
        plan = self.clockwork.plan(raw_now_ns(), self.monitor, models_ready=self.zoo.ready)
        self._plan = self.pool_watchdog.considered(plan, self.clockwork.state)
        configured, status = self.config.clock_measurement.ntp, self.clockwork.state.status
        self.authenticity.look(configured, status, self.clockwork.believed)
        if self.trace is not None:
            self.trace.note(lines.plan, plan)
            self.trace.note(lines.weights, plan)

    def _remember(self) -> None:
        record, target = self.publisher.record, self.clockwork.target
        if record is not None and target is not None:
            self.memory.served(record, target)

    def _served(self, raw_ns: int) -> tuple[int, int] | None:
        """Served time and its bound at a moment that has just passed; None while there is none."""
        record = self.publisher.record
        if record is None or record.bound_ns >= MAX_WIDTH_NS or is_void(record, raw_now_ns()):
            return None
        return time_at(record, raw_ns), bound_at(record, raw_ns)

    def _publish(self) -> None:
        """One tick of the publisher; in its thread."""
        plan, marker = self._plan, self._vmclock.marker()
        moved = marker != plan.marker
        if not moved and self.publisher.renew(raw_now_ns(), suspended_ns(), plan):
            return
        clocks = read_clocks()
        if self.publisher.keeps_silent(clocks.raw_ns, plan):
            return
        self.publisher.tick(clocks, plan, moved=moved)
        if moved:
            self._event_loop.call_soon_threadsafe(self._on_move, clocks.raw_ns, marker)
        if clocks.slept_since(plan.suspended_ns):
            self._event_loop.call_soon_threadsafe(self._on_suspend, clocks)

    def _sleep_between(self, seconds: float) -> bool:
        """Sleep until the next publication is due, or the system clock is set; in its thread."""
        was_set = self._steps.sleep(seconds)
        if was_set:
            self.publisher.hurry()
        return was_set

    def _on_publisher_failure(self, error: BaseException) -> None:
        self._event_loop.call_soon_threadsafe(self._publisher_failed.set_exception, error)

    async def _publisher_failure(self) -> None:
        await self._publisher_failed

    def _on_suspend(self, clocks: HostClocks) -> None:
        if self.trace is not None:
            self.trace.note(lines.slept, clocks)
        self.clockwork.slept(clocks, self.monitor)
        self._make_plan()

    def _on_move(self, raw_ns: int, marker: int | None) -> None:
        self.clockwork.moved(raw_ns, marker, self.monitor)
        self._make_plan()

    def _on_transition(self, transition: Transition) -> None:
        self.memory.changed(transition)
        if self.trace is not None:
            self.trace.note(lines.state, transition)
        sd_notify(f"STATUS={transition.after.words}: {transition.reason}")

    def _on_stop(self, number: signal.Signals) -> None:
        _log.info("%s: stopping", signal.Signals(number).name)
        self._stop.set()

    def _on_reload(self, _number: signal.Signals) -> None:
        self._run_errand(self._reload_in_turn())

    def _run_errand(self, work: Coroutine[Any, Any, None]) -> None:
        self._errands.add(task := asyncio.create_task(work))
        task.add_done_callback(self._errands.discard)

    def _on_plugins(self, plugins: Plugins) -> None:
        """Take what plugins told after the start; in any thread."""
        with contextlib.suppress(RuntimeError):  # the event loop has ended meanwhile
            self._event_loop.call_soon_threadsafe(
                lambda: self._run_errand(self._learn_in_turn(plugins))
            )

    async def _learn_in_turn(self, plugins: Plugins) -> None:
        async with self._reloading:
            for problem in set(plugins.problems) - set(self.plugins.problems):
                log_problem(problem)
            self.plugins = plugins
            if self.zoo.learn(plugins, self.config):
                await self.predictions.stop()
                self.predictions.start(self.config)

    async def _reload_in_turn(self) -> None:
        async with self._reloading:
            sd_notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                await self._take_configuration()
            except Exception:  # noqa: BLE001 - it is logged whole, and the clock goes on
                _log.exception("the reload ended by a mistake")
            sd_notify("READY=1")

    async def _take_configuration(self) -> None:
        """Read the configuration anew; a bad one is refused and the old one stays."""
        read = fingerprint(self.path) if self.path else None
        try:
            config = self._reload()
            wanted(config, self.plugins)
            self.monitor.reconfigure(config.clock_measurement.ntp, config.clock_measurement.timing)
        except (ConfigError, UnknownModel, ValueError) as error:
            _log.error("configuration not reloaded, the old one stays: %s", error)
        else:
            await self._apply(config)
            self.file_read = read
            _log.info("configuration reloaded")

    async def _apply(self, config: Config) -> None:
        for dotted in needing_restart(self.config, config):
            _log.warning("%s changed: it takes effect when the daemon is restarted", dotted)
        self.config = config = effective(self.config, config)
        self.clockwork.configure(config.clock_measurement)
        self.publishing.period_s = 1.0 / config.shm.frequency
        logging.getLogger("chronotick").setLevel(config.logging.level)
        await self.predictions.stop()
        await self.zoo.use(config)
        await self.companions.use(config)
        await self.pool_watchdog.use(config.clock_measurement)
        self.predictions.start(config)


def on_loop_trouble(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say in a line, not in a traceback for each client, that no descriptor is left for them."""
    error = context.get("exception")
    accepting = "socket" in context  # of asyncio's servers; there is the control server alone
    if accepting and isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        _log.error("nobody can be answered on the control socket: %s", error.strerror)
    else:
        loop.default_exception_handler(context)


def log_problem(problem: PluginProblem) -> None:
    """Say in the log that a plugin is left out."""
    _log.warning("plugin %s left out: %s %s", problem.name, problem.error, problem.hint)
