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

from chronotick.lab.faults import file_faults, limits
from chronotick.lab.faults.flood import Flood
from chronotick.lab.faults.rig import Rig

_FARTHEST_NS: Final = 50_000_000_000
_TOLD: Final = 0.5
"""So many steps of the system clock are told by a timer; the daemon finds the others itself."""


CLEAR_LIE_S: Final = 0.1
"""No delay on a route of this host explains as much: who is wrong by more is to be found out."""


def _nothing() -> None:
    """Nothing is to be given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that has been injected.

    Attributes:
        detail: its particulars, for the log.
        undo: takes it back, when it has lasted.
        history: it has recovered only when the history is written again, too.
        model: it has recovered only when this model has answered again, too.
        damages: a record may have been seen that no daemon wrote.
        noticed: whether the daemon has noticed what it has to notice, until which it lasts.
    """

    detail: str = ""
    undo: Callable[[], None] = _nothing
    history: bool = False
    model: str = ""
    damages: bool = False
    noticed: Callable[[], bool] | None = None


class NotNowError(Exception):
    """Raised when there is nothing to inject the fault into at this moment, or on this machine."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        inject: does it; raises :class:`NotNowError`, OSError or ProcessLookupError where it cannot.
        realm: two faults of one realm are never injected at once.
        lasts: it goes on until it is undone.
        survived: the daemon goes on: it is not ended, nor stopped, nor started again.
        quiet: readers have nothing when it outlasts a record; where faults are short, this is not.
    """

    inject: Callable[[Rig, Random], Fault]
    realm: str
    lasts: bool = True
    survived: bool = True
    quiet: bool = False


def _daemon(rig: Rig) -> int:
    pid = rig.service.pid
    if pid is None:
        raise NotNowError("no daemon runs")
    return pid


def _daemon_killed(rig: Rig, _random: Random) -> Fault:
    pid = _daemon(rig)
    rig.service.signal(signal.SIGKILL)
    return Fault(detail=f"process {pid}")


def _daemon_ended(rig: Rig, _random: Random) -> Fault:
    pid, code = _daemon(rig), rig.service.stop()
    return Fault(detail=f"process {pid}, return code {code}", undo=rig.service.start)


def _daemon_stopped(rig: Rig, _random: Random) -> Fault:
    pid = _daemon(rig)
    rig.service.signal(signal.SIGSTOP)

    def go_on() -> None:
        if rig.service.pid == pid:
            rig.service.signal(signal.SIGCONT)

    return Fault(detail=f"process {pid}", undo=go_on)


def _worker(rig: Rig, random: Random) -> tuple[str, int]:
    workers = sorted(rig.workers.items())
    if not workers:
        raise NotNowError("no worker runs")
    return random.choice(workers)


def _worker_killed(rig: Rig, random: Random) -> Fault:
    model, pid = _worker(rig, random)
    os.kill(pid, signal.SIGKILL)
    return Fault(detail=f"{model}, process {pid}", model=model)


def _worker_hangs(*, for_ever: bool) -> Callable[..., Fault]:
    def inject(rig: Rig, random: Random) -> Fault:
        model, pid = _worker(rig, random)
        os.kill(pid, signal.SIGSTOP)

        def go_on() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        undo = _nothing if for_ever else go_on
        return Fault(detail=f"{model}, process {pid}", undo=undo, model=model)

    return inject


def _worker_without_memory(rig: Rig, random: Random) -> Fault:
    model, pid = _worker(rig, random)
    limit = limits.no_more_memory(pid)
    return Fault(
        detail=f"{model}, process {pid}, {limit.detail}", undo=limit.give_back, model=model
    )


def _limited(make: Callable[[int], limits.Limit], *, history: bool) -> Callable[..., Fault]:
    def inject(rig: Rig, _random: Random) -> Fault:
        limit = make(_daemon(rig))
        return Fault(detail=limit.detail, undo=limit.give_back, history=history)

    return inject


def _disk_full(rig: Rig, _random: Random) -> Fault:
    if rig.disk is None:
        raise NotNowError("the history is on no file system of its own")
    filler = rig.disk / "filler"
    told = file_faults.fill(filler)
    return Fault(detail=told, undo=lambda: filler.unlink(missing_ok=True), history=True)


def _history(damage: Callable[..., str], *, restart: bool) -> Callable[..., Fault]:
    """Damage of the database while the daemon runs; it is noticed when that is started again."""

    def inject(rig: Rig, random: Random) -> Fault:
        if not rig.history.exists():
            raise NotNowError("there is no history")
        told = damage(rig.history, random)

        def start_again() -> None:
            rig.service.stop()
            file_faults.sweep(rig.history)
            rig.service.start()

        return Fault(detail=told, undo=start_again if restart else _nothing, history=True)

    return inject


def _history_damaged_at_start(rig: Rig, random: Random) -> Fault:
    _daemon(rig)
    rig.service.signal(signal.SIGKILL)
    return Fault(detail=file_faults.scribble(rig.history, random), history=True)


def _record(damage: Callable[..., str]) -> Callable[..., Fault]:
    def inject(rig: Rig, random: Random) -> Fault:
        _daemon(rig)  # which mends it
        if not rig.record.exists():
            raise NotNowError("there is no record")
        return Fault(detail=damage(rig.record, random), damages=True)

    return inject


def _record_in_the_way(rig: Rig, _random: Random) -> Fault:
    other = rig.record.with_name("other")
    other.write_text("Something else.\n", encoding="ascii")
    other.replace(rig.record)

    def out_of_the_way() -> None:
        with contextlib.suppress(OSError):
            if rig.record.read_bytes().startswith(b"Something"):
                rig.record.unlink()
        rig.service.failed_in_a_row = 0  # that was why
        rig.service.start()

    return Fault(undo=out_of_the_way, damages=True)


def _record_damaged_at_start(rig: Rig, random: Random) -> Fault:
    _daemon(rig)
    rig.service.signal(signal.SIGKILL)
    return Fault(detail=file_faults.spoil_record(rig.record, random), damages=True)


def _record_lost_at_start(rig: Rig, _random: Random) -> Fault:
    _daemon(rig)
    rig.service.signal(signal.SIGKILL)
    rig.record.unlink(missing_ok=True)
    return Fault(damages=True)


def _servers_stopped(count: int | None) -> Callable[..., Fault]:
    def inject(rig: Rig, random: Random) -> Fault:
        honest = rig.servers.honest
        chosen = random.sample(honest, len(honest) if count is None else count)
        for server in chosen:
            server.stop()

        def start() -> None:
            for server in chosen:
                server.start()

        return Fault(detail=f"{len(chosen)} of {len(honest)}", undo=start)

    return inject


def _lie(rig: Rig, offset_s: float) -> Fault:
    rig.servers.falseticker.lie(offset_s)
    is_clear = abs(offset_s) > CLEAR_LIE_S
    return Fault(
        detail=f"by {offset_s:+.3f} s",
        undo=lambda: rig.servers.falseticker.lie(0.0),
        noticed=(lambda: rig.falseticker_is_found) if is_clear else None,
    )


def _honest_so_far(rig: Rig) -> None:
    if rig.falseticker_is_found:
        raise NotNowError("the server that lied before is not believed again yet")


def _server_lies(rig: Rig, random: Random) -> Fault:
    _honest_so_far(rig)
    return _lie(rig, random.choice((-1, 1)) * 10 ** random.uniform(-2.0, 1.0))


def _server_comes_back_wrong(rig: Rig, random: Random) -> Fault:
    _honest_so_far(rig)
    server = rig.servers.honest[0]
    server.stop()
    fault = _lie(rig, random.choice((-1, 1)) * random.uniform(CLEAR_LIE_S, 3600.0))
    server.start()
    return fault


def _control_flooded(rig: Rig, _random: Random) -> Fault:
    flood = Flood(rig.control, secrets.token_bytes(4096))
    flood.start()
    return Fault(undo=flood.close)


def _control_removed(rig: Rig, _random: Random) -> Fault:
    _daemon(rig)  # which makes it anew
    try:
        rig.control.unlink()
    except FileNotFoundError as missing:
        raise NotNowError("there is no control socket") from missing
    return Fault()


def _system_clock_stepped(rig: Rig, random: Random) -> Fault:
    clock = rig.system_clock
    if clock is None:
        raise NotNowError("the daemon's system clock cannot be moved here")
    by_ns = round(random.choice((-1, 1)) * 10 ** random.uniform(6.0, 10.0))
    if abs(clock.ahead_ns + by_ns) > _FARTHEST_NS:
        by_ns = -by_ns
    clock.step(by_ns)
    if is_told := random.random() < _TOLD:
        clock.tell()
    who = "the kernel tells" if is_told else "nobody tells"
    return Fault(detail=f"by {by_ns / 1e9:+.4f} s, {who}, now {clock.ahead_ns / 1e9:+.4f} s ahead")


KINDS: Final[Mapping[str, Kind]] = {
    "daemon killed": Kind(_daemon_killed, "daemon", lasts=False, survived=False),
    "daemon ended": Kind(_daemon_ended, "daemon", survived=False),
    "daemon stopped": Kind(_daemon_stopped, "daemon", quiet=True, survived=False),
    "worker killed": Kind(_worker_killed, "worker", lasts=False),
    "worker hangs": Kind(_worker_hangs(for_ever=False), "worker"),
    "worker hangs for ever": Kind(_worker_hangs(for_ever=True), "worker", lasts=False),
    "worker without memory": Kind(_worker_without_memory, "worker"),
    "no descriptors": Kind(_limited(limits.no_more_descriptors, history=False), "daemon"),
    "no memory": Kind(_limited(limits.no_more_memory, history=True), "daemon", survived=False),
    "disk full": Kind(_disk_full, "history"),
    "files must not grow": Kind(_limited(limits.no_longer_files, history=True), "history"),
    "history scribbled on": Kind(
        _history(file_faults.scribble, restart=True), "history", survived=False
    ),
    "history cut off": Kind(_history(file_faults.cut, restart=True), "history", survived=False),
    "history removed": Kind(_history(file_faults.remove, restart=False), "history", lasts=False),
    "history damaged at start": Kind(
        _history_damaged_at_start, "history", lasts=False, survived=False
    ),
    "record overwritten": Kind(_record(file_faults.overwrite_record), "record", lasts=False),
    "record emptied": Kind(_record(file_faults.empty), "record", lasts=False, survived=False),
    "record cut off": Kind(_record(file_faults.halve), "record", lasts=False),
    "record removed": Kind(_record(file_faults.remove), "record", lasts=False),
    "record replaced by a copy": Kind(_record(file_faults.put_copy), "record", lasts=False),
    "record in the way": Kind(_record_in_the_way, "record", survived=False),
    "record damaged at start": Kind(
        _record_damaged_at_start, "record", lasts=False, survived=False
    ),
    "record lost at start": Kind(_record_lost_at_start, "record", lasts=False, survived=False),
    "a server stopped": Kind(_servers_stopped(1), "servers"),
    "two servers stopped": Kind(_servers_stopped(2), "servers"),
    "all servers stopped": Kind(_servers_stopped(None), "servers"),
    "a server lies": Kind(_server_lies, "servers"),
    "a server comes back wrong": Kind(_server_comes_back_wrong, "servers"),
    "control socket flooded": Kind(_control_flooded, "control"),
    "control socket removed": Kind(_control_removed, "control", lasts=False),
    "system clock stepped": Kind(_system_clock_stepped, "clock", lasts=False),
}
"""All kinds, by name."""

SLOW: Final = ("worker hangs for ever",)
"""What is recovered from after half a minute by design: a worker is given so long to answer."""
