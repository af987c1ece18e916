"""Kinds of faults: what is done, and what is given back."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from chronotick.lab.faults import of_files, of_limits
from chronotick.lab.faults.flood import Flood
from chronotick.lab.faults.scene import Scene

_FARTHEST_NS: Final = 50_000_000_000
_TOLD: Final = 0.5
"""So many steps of the system clock are told by a timer; the daemon finds the others itself."""


CLEAR_LIE_S: Final = 0.1
"""No delay on a route of this host explains as much: who is wrong by more is to be found out."""


def _nothing() -> None:
    """Nothing is to be given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that has been put.

    Attributes:
        told: its particulars, for the log.
        undo: takes it back, when it has lasted.
        history: it has recovered only when the history is written again, too.
        model: it has recovered only when this model has answered again, too.
        damages: a record may have been seen that no daemon wrote.
        noticed: whether the daemon has noticed what it has to notice, until which it lasts.
    """

    told: str = ""
    undo: Callable[[], None] = _nothing
    history: bool = False
    model: str = ""
    damages: bool = False
    noticed: Callable[[], bool] | None = None


class NotNowError(Exception):
    """Raised when there is nothing to put the fault to at this moment, or on this machine."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        put: does it; raises :class:`NotNowError`, OSError or ProcessLookupError where it cannot.
        realm: two faults of one realm are never put at once.
        lasts: it goes on until it is undone.
        quiet: readers have nothing when it outlasts a record; where faults are short, this is not.
    """

    put: Callable[[Scene, Random], Fault]
    realm: str
    lasts: bool = True
    quiet: bool = False


def _daemon(scene: Scene) -> int:
    pid = scene.service.pid
    if pid is None:
        raise NotNowError("no daemon runs")
    return pid


def _daemon_killed(scene: Scene, _random: Random) -> Fault:
    pid = _daemon(scene)
    scene.service.signal(signal.SIGKILL)
    return Fault(told=f"process {pid}")


def _daemon_ended(scene: Scene, _random: Random) -> Fault:
    pid, code = _daemon(scene), scene.service.stop()
    return Fault(told=f"process {pid}, return code {code}", undo=scene.service.start)


def _daemon_stopped(scene: Scene, _random: Random) -> Fault:
    pid = _daemon(scene)
    scene.service.signal(signal.SIGSTOP)

    def go_on() -> None:
        if scene.service.pid == pid:
            scene.service.signal(signal.SIGCONT)

    return Fault(told=f"process {pid}", undo=go_on)


def _worker(scene: Scene, random: Random) -> tuple[str, int]:
    workers = sorted(scene.workers.items())
    if not workers:
        raise NotNowError("no worker runs")
    return random.choice(workers)


def _worker_killed(scene: Scene, random: Random) -> Fault:
    model, pid = _worker(scene, random)
    os.kill(pid, signal.SIGKILL)
    return Fault(told=f"{model}, process {pid}", model=model)


def _worker_hangs(*, for_ever: bool) -> Callable[..., Fault]:
    def put(scene: Scene, random: Random) -> Fault:
        model, pid = _worker(scene, random)
        os.kill(pid, signal.SIGSTOP)

        def go_on() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        undo = _nothing if for_ever else go_on
        return Fault(told=f"{model}, process {pid}", undo=undo, model=model)

    return put


def _worker_without_memory(scene: Scene, random: Random) -> Fault:
    model, pid = _worker(scene, random)
    limit = of_limits.no_more_memory(pid)
    return Fault(told=f"{model}, process {pid}, {limit.told}", undo=limit.give_back, model=model)


def _limited(make: Callable[[int], of_limits.Limit], *, history: bool) -> Callable[..., Fault]:
    def put(scene: Scene, _random: Random) -> Fault:
        limit = make(_daemon(scene))
        return Fault(told=limit.told, undo=limit.give_back, history=history)

    return put


def _disk_full(scene: Scene, _random: Random) -> Fault:
    if scene.disk is None:
        raise NotNowError("the history is on no file system of its own")
    filler = scene.disk / "filler"
    told = of_files.fill(filler)
    return Fault(told=told, undo=lambda: filler.unlink(missing_ok=True), history=True)


def _history(damage: Callable[..., str], *, restart: bool) -> Callable[..., Fault]:
    """Damage of the database while the daemon runs; it is noticed when that is started again."""

    def put(scene: Scene, random: Random) -> Fault:
        if not scene.history.exists():
            raise NotNowError("there is no history")
        told = damage(scene.history, random)

        def start_again() -> None:
            scene.service.stop()
            of_files.sweep(scene.history)
            scene.service.start()

        return Fault(told=told, undo=start_again if restart else _nothing, history=True)

    return put


def _history_damaged_at_start(scene: Scene, random: Random) -> Fault:
    _daemon(scene)
    scene.service.signal(signal.SIGKILL)
    return Fault(told=of_files.scribble(scene.history, random), history=True)


def _record(damage: Callable[..., str]) -> Callable[..., Fault]:
    def put(scene: Scene, random: Random) -> Fault:
        _daemon(scene)  # which mends it
        if not scene.record.exists():
            raise NotNowError("there is no record")
        return Fault(told=damage(scene.record, random), damages=True)

    return put


def _record_in_the_way(scene: Scene, _random: Random) -> Fault:
    other = scene.record.with_name("other")
    other.write_text("Something else.\n", encoding="ascii")
    other.replace(scene.record)

    def out_of_the_way() -> None:
        with contextlib.suppress(OSError):
            if scene.record.read_bytes().startswith(b"Something"):
                scene.record.unlink()
        scene.service.start()

    return Fault(undo=out_of_the_way, damages=True)


def _record_damaged_at_start(scene: Scene, random: Random) -> Fault:
    _daemon(scene)
    scene.service.signal(signal.SIGKILL)
    return Fault(told=of_files.spoil_record(scene.record, random), damages=True)


def _record_lost_at_start(scene: Scene, _random: Random) -> Fault:
    _daemon(scene)
    scene.service.signal(signal.SIGKILL)
    scene.record.unlink(missing_ok=True)
    return Fault(damages=True)


def _servers_stopped(count: int | None) -> Callable[..., Fault]:
    def put(scene: Scene, random: Random) -> Fault:
        honest = scene.servers.honest
        chosen = random.sample(honest, len(honest) if count is None else count)
        for server in chosen:
            server.stop()

        def start() -> None:
            for server in chosen:
                server.start()

        return Fault(told=f"{len(chosen)} of {len(honest)}", undo=start)

    return put


def _lie(scene: Scene, offset_s: float) -> Fault:
    scene.servers.liar.lie(offset_s)
    is_clear = abs(offset_s) > CLEAR_LIE_S
    return Fault(
        told=f"by {offset_s:+.3f} s",
        undo=lambda: scene.servers.liar.lie(0.0),
        noticed=(lambda: scene.liar_is_found) if is_clear else None,
    )


def _honest_so_far(scene: Scene) -> None:
    if scene.liar_is_found:
        raise NotNowError("the server that lied before is not believed again yet")


def _server_lies(scene: Scene, random: Random) -> Fault:
    _honest_so_far(scene)
    return _lie(scene, random.choice((-1, 1)) * 10 ** random.uniform(-2.0, 1.0))


def _server_comes_back_wrong(scene: Scene, random: Random) -> Fault:
    _honest_so_far(scene)
    server = scene.servers.honest[0]
    server.stop()
    fault = _lie(scene, random.choice((-1, 1)) * random.uniform(CLEAR_LIE_S, 3600.0))
    server.start()
    return fault


def _control_flooded(scene: Scene, _random: Random) -> Fault:
    flood = Flood(scene.control, secrets.token_bytes(4096))
    flood.start()
    return Fault(undo=flood.close)


def _system_clock_stepped(scene: Scene, random: Random) -> Fault:
    clock = scene.system_clock
    if clock is None:
        raise NotNowError("the daemon's system clock cannot be moved here")
    by_ns = round(random.choice((-1, 1)) * 10 ** random.uniform(6.0, 10.0))
    if abs(clock.ahead_ns + by_ns) > _FARTHEST_NS:
        by_ns = -by_ns
    clock.step(by_ns)
    if is_told := random.random() < _TOLD:
        clock.tell()
    who = "the kernel tells" if is_told else "nobody tells"
    return Fault(told=f"by {by_ns / 1e9:+.4f} s, {who}, now {clock.ahead_ns / 1e9:+.4f} s ahead")


KINDS: Final[Mapping[str, Kind]] = {
    "daemon killed": Kind(_daemon_killed, "daemon", lasts=False),
    "daemon ended": Kind(_daemon_ended, "daemon"),
    "daemon stopped": Kind(_daemon_stopped, "daemon", quiet=True),
    "worker killed": Kind(_worker_killed, "worker", lasts=False),
    "worker hangs": Kind(_worker_hangs(for_ever=False), "worker"),
    "worker hangs for ever": Kind(_worker_hangs(for_ever=True), "worker", lasts=False),
    "worker without memory": Kind(_worker_without_memory, "worker"),
    "no descriptors": Kind(_limited(of_limits.no_more_descriptors, history=False), "daemon"),
    "no memory": Kind(_limited(of_limits.no_more_memory, history=True), "daemon"),
    "disk full": Kind(_disk_full, "history"),
    "files must not grow": Kind(_limited(of_limits.no_longer_files, history=True), "history"),
    "history scribbled on": Kind(_history(of_files.scribble, restart=True), "history"),
    "history cut off": Kind(_history(of_files.cut, restart=True), "history"),
    "history removed": Kind(_history(of_files.remove, restart=False), "history", lasts=False),
    "history damaged at start": Kind(_history_damaged_at_start, "history", lasts=False),
    "record overwritten": Kind(_record(of_files.overwrite_record), "record", lasts=False),
    "record emptied": Kind(_record(of_files.empty), "record", lasts=False),
    "record cut off": Kind(_record(of_files.halve), "record", lasts=False),
    "record removed": Kind(_record(of_files.remove), "record", lasts=False),
    "record replaced by a copy": Kind(_record(of_files.put_copy), "record", lasts=False),
    "record in the way": Kind(_record_in_the_way, "record"),
    "record damaged at start": Kind(_record_damaged_at_start, "record", lasts=False),
    "record lost at start": Kind(_record_lost_at_start, "record", lasts=False),
    "a server stopped": Kind(_servers_stopped(1), "servers"),
    "two servers stopped": Kind(_servers_stopped(2), "servers"),
    "all servers stopped": Kind(_servers_stopped(None), "servers"),
    "a server lies": Kind(_server_lies, "servers"),
    "a server comes back wrong": Kind(_server_comes_back_wrong, "servers"),
    "control socket flooded": Kind(_control_flooded, "control"),
    "system clock stepped": Kind(_system_clock_stepped, "clock", lasts=False),
}
"""All kinds, by name."""

SLOW: Final = ("worker hangs for ever",)
"""What is recovered from after half a minute by design: a worker is given so long to answer."""
