"""One worker: its life from environment to end and round again, and the forecasts in between."""

from __future__ import annotations

import asyncio
import math
import signal
from dataclasses import replace
from typing import Final

from chronotick.workers.child import Bootstrap
from chronotick.workers.counterpart import Counterpart
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.exits import describe
from chronotick.workers.launch import WorkerProcess
from chronotick.workers.leases import Lease
from chronotick.workers.messages import (
    LOAD_REQUEST,
    PROTOCOL,
    Drain,
    Failed,
    Hello,
    Loading,
    Message,
    Ready,
    Refuse,
    Result,
    Welcome,
    common_version,
    info_of,
)
from chronotick.workers.procfs import resident_bytes, written_bytes
from chronotick.workers.restart import RestartPolicy, RestartRules
from chronotick.workers.state import Phase, WorkerState
from chronotick.workers.terms import Ending, Order, Patience, Services

_MIB: Final = 2**20
_LIMITED_POLL_S: Final = 0.1  # a runaway takes gigabytes in a second


class Worker(Counterpart[WorkerProcess]):
    """A model in a process of its own, started again when it dies. Made by the pool."""

    def __init__(
        self,
        order: Order,
        services: Services,
        bootstrap_pid: int,
        patience: Patience,
        rules: RestartRules,
    ) -> None:
        policy = RestartPolicy(rules)
        super().__init__(order.spec.name, Phase.BUILDING, patience, policy, services.changed)
        self._order = order
        self._services = services
        self._parent_pid = bootstrap_pid
        self._ending: Ending | None = None
        self._early: Hello | None = None
        self._progress = 0
        self._rss: int | None = None
        self._errands: set[asyncio.Task[int]] = set()

    @property
    def state(self) -> WorkerState:
        """A snapshot of what the worker is doing."""
        pid = None if self._partner is None else self._partner.pid
        return replace(super().state, pid=pid, rss_bytes=self._rss)

    def output(self, lines: int = 20) -> str:
        """Return the last lines the present process printed."""
        return "" if self._partner is None else self._partner.output.text(lines)

    def start(self) -> None:
        """Begin to live, in the background; called once."""
        self._life = self._loop.create_task(self._live())

    async def _live(self) -> None:
        """Run the worker, again and again, until it is stopped."""
        while True:
            ending = await self._one_life()
            verdict = self._policy.crashed(self._loop.time(), retryable=ending.retryable)
            self._last_error = ending.reason
            self._retry_at_s = self._loop.time() + verdict.delay_s
            if ending.retryable:
                self._logger.warning("%s; next start in %.1f s", ending.reason, verdict.delay_s)
            else:  # somebody has to do something first
                told = "%s. The model is not used meanwhile; looked at again in %.0f s"
                self._logger.error(told, ending.reason.rstrip("."), verdict.delay_s)
            self._enter(Phase.BROKEN if verdict.open else Phase.BACKOFF, ending.reason)
            await asyncio.sleep(verdict.delay_s)
            self._retry_at_s = None
            self._restarts += 1

    async def stop(self) -> None:
        """End the process: DRAIN, then SIGTERM, then SIGKILL. From now on it answers nothing."""
        await self._end_life()
        process = self._partner
        if process is not None:
            self._send(Drain())
            await asyncio.wait({process.exited}, timeout=self._patience.drain_s)
            if not process.exited.done():
                await process.end(self._patience.term_s)
        self._partner, self._rss = None, None
        self.identity = ""

    def receive(self, message: Message) -> bool:
        """Handle a message from this worker's process; false if it has no place here."""
        if isinstance(message, Hello):
            return self._on_hello(message)
        if not self._greeted:
            return False
        if isinstance(message, Result):  # first, and not by matching: a forecast waits for it
            self._desk.receive(message)
            return True
        if self._phase is Phase.STOPPED:
            return True
        match message:
            case Loading():
                self._progress += 1
                self._enter(Phase.LOADING, _loading_words(message))
            case Ready():
                self._on_ready(message)
            case Failed(id=request_id) if request_id == LOAD_REQUEST:
                self._ending = Ending(message.message, retryable=message.retryable)
                self._logger.debug("loading failed:\n%s", message.traceback)
            case Failed():
                self._desk.receive(message)
        return True

    async def _one_life(self) -> Ending:
        self._ending = None
        self._enter(Phase.BUILDING)
        try:
            lease = await self._services.prepare(
                self._order.spec, self._order.device, self._on_stage
            )
            process = await self._launch(lease)
        except (EnvironmentProblem, OSError) as problem:
            return Ending(str(problem), retryable=False)
        except (
            Exception
        ) as error:  # a mistake of ours or of the plugin's: never "building" for ever
            self._logger.exception("could not be started")
            return Ending(f"could not be started: {error!r}", retryable=False)
        watch = self._loop.create_task(self._watch(process))
        try:
            returncode = await asyncio.shield(process.exited)
        finally:
            watch.cancel()
        return self._bury(process, returncode)

    async def _launch(self, lease: Lease) -> WorkerProcess:
        self._new_identity()
        self._early = None
        self._enter(Phase.STARTING)
        bootstrap = Bootstrap(
            address=self._services.address,
            identity=self.identity,
            token=self._token,
            parent_pid=self._parent_pid,
        )
        process = await self._services.launch(lease, bootstrap, self._logger)
        self._partner = process
        self._policy.started(self._loop.time())
        self._greet_again()
        return process

    def _greet_again(self) -> None:
        """Answer a HELLO that came before we were told that the process runs."""
        early, self._early = self._early, None
        if early is not None:
            self._on_hello(early)

    def _bury(self, process: WorkerProcess, returncode: int) -> Ending:
        crashed = self._ending is None and returncode != -signal.SIGKILL
        ending = self._ending or Ending(_exit_words(returncode, process.output.text(1)))
        self._partner, self._rss, self._greeted = None, None, False
        self.identity = ""
        self._desk.abandon(ending.reason, crashed=crashed)
        return ending

    async def _watch(self, process: WorkerProcess) -> None:
        """Look at memory and, while it loads, at progress."""
        seen, since_s = (-1, -1), self._loop.time()
        limited = self._order.memory_limit_mb is not None
        pause_s = min(self._patience.poll_s, _LIMITED_POLL_S if limited else math.inf)
        while True:
            self._rss = resident_bytes(process.pid)
            self._check_memory(process)
            now_s = self._loop.time()
            # A download writes: that is progress too, and code that hangs does not fake it.
            progress = (self._progress, written_bytes(process.pid))
            if progress != seen or self._phase is Phase.READY:
                seen, since_s = progress, now_s
            elif now_s - since_s > self._patience.start_s:
                self._give_up(process, f"no progress in {self._patience.start_s:g} s of loading")
            await asyncio.sleep(pause_s)

    def _check_memory(self, process: WorkerProcess) -> None:
        limit = self._order.memory_limit_mb
        if limit is not None and self._rss is not None and self._rss > limit * _MIB:
            used = self._rss // _MIB
            words = f"its limit is {limit} MiB (workers.memory_limit_mb)"
            self._give_up(process, f"used {used} MiB of memory, {words}")

    def _give_up(self, partner: WorkerProcess, reason: str) -> None:
        """Stop a process that misbehaves; its life then ends for this reason."""
        if self._ending is None and not partner.exited.done():
            self._ending = Ending(reason)
            errand = self._loop.create_task(partner.end(self._patience.term_s))
            self._errands.add(errand)
            errand.add_done_callback(self._errands.discard)

    def _on_hello(self, hello: Hello) -> bool:
        if not self._is_meant(hello):
            self._send(Refuse(reason="wrong token"))
            return False
        if self._partner is None:  # a small program is faster than the thread that starts it
            self._early = hello
            return True
        version = common_version(hello.protocol)
        if version is None:
            self._refuse_protocol(hello.protocol)
            return True
        self._greeted = True
        self._enter(Phase.LOADING)
        self._send(
            Welcome(
                protocol=version,
                model=self._order.spec.worker,
                checkpoint=self._order.checkpoint,
                device=self._order.device,
                threads=self._order.threads,
            )
        )
        return True

    def _refuse_protocol(self, theirs: tuple[int, int]) -> None:
        reason = "protocol {}-{} is spoken by the worker, {}-{} by this daemon.".format(
            *theirs, *PROTOCOL
        )
        hint = f"Run: chronotick envs sync {self.name}"
        self._ending = Ending(f"{reason} {hint}", retryable=False)
        self._send(Refuse(reason=reason, hint=hint))

    def _on_ready(self, ready: Ready) -> None:
        try:
            self._info = info_of(ready)
        except ValueError as error:
            if self._partner is not None:
                self._give_up(self._partner, str(error))
            return
        self._enter(Phase.READY)
        self._logger.info(
            "ready: %s on %s, loaded in %.1f s",
            ready.checkpoint or "no weights",
            ready.device,
            ready.load_ns / 1e9,
        )

    def _on_stage(self, words: str) -> None:
        if self._phase is Phase.BUILDING:
            self._detail = words

    def _send(self, message: Message) -> bool:
        return bool(self.identity) and self._services.send(self.identity, message)


def _loading_words(message: Loading) -> str:
    return f"{message.stage} ({message.done}/{message.total})" if message.total else message.stage


def _exit_words(returncode: int, last_line: str) -> str:
    words = describe(returncode)
    return f"{words}; it last printed: {last_line[:200]}" if last_line and returncode > 0 else words
