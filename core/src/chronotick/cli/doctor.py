"""``chronotick doctor``: what this machine can do, what is wrong, and the command that mends it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from chronotick.cli.output import FAILED, json_option, print_json
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.config import Loaded

SLOW_CLOCK_NS = 500.0  # a system call: the vDSO takes a tenth of it
FREE_FOR_ENVIRONMENTS_GB = 3.0  # torch and its friends, once


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: ``ok``, ``note`` (works, could be better) or ``bad``.
        what: what was looked at.
        evidence: what was found.
        fix: one command or step; empty when all is well.
    """

    state: Literal["ok", "note", "bad"]
    what: str
    evidence: str
    fix: str = ""


@click.command()
@config_option
@json_option
def doctor(config_path: Path | None, *, as_json: bool) -> None:
    """Check clocks, reader, record, sockets, servers' names, plugins, uv and disk.

    Exit code 1 if something is bad.
    """
    loaded = load_settings(config_path)
    findings = [finding for check in CHECKS for finding in check(loaded)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.state:4}  {finding.what}: {finding.evidence}")
            if finding.fix:
                click.echo(f"      -> {finding.fix}")
    if any(finding.state == "bad" for finding in findings):
        raise click.exceptions.Exit(FAILED)


def _clocks(loaded: Loaded) -> Iterable[Finding]:
    del loaded
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    name = source.read_text(encoding="ascii").strip() if source.exists() else sys.platform
    started = time.perf_counter_ns()
    for _ in range(1000):
        time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    cost_ns = (time.perf_counter_ns() - started) / 1000
    slow = cost_ns > SLOW_CLOCK_NS
    yield Finding(
        "note" if slow else "ok",
        "clock",
        f"source {name}, CLOCK_MONOTONIC_RAW costs {cost_ns:.0f} ns",
        "reads are slow: choose a clock source with a vDSO (tsc)" if slow else "",
    )


def _reader(loaded: Loaded) -> Iterable[Finding]:
    del loaded
    try:
        import chronotick.shm._creader  # noqa: F401 - whether it is there is the question
    except ImportError:
        yield Finding(
            "note",
            "reader",
            "pure Python: the C extension was not built",
            "install a C compiler and Python's headers, then reinstall chronotick",
        )
    else:
        yield Finding("ok", "reader", "C extension")


def _record(loaded: Loaded) -> Iterable[Finding]:
    from chronotick.client import ChronoTick, ChronoTickError, DaemonUnavailable

    path = loaded.config.shm.path
    if not os.access(path.parent, os.W_OK):
        fix = "choose another path: --shm or CHRONOTICK_SHM"
        yield Finding("bad", "record", f"{path.parent} is not writable", fix)
        return
    try:
        now = ChronoTick(path).now(allow_unsynchronised=False)
    except DaemonUnavailable as error:
        if _is_alive(error.pid):
            fix = f"it is stopped or hangs: look at its log, then end process {error.pid}"
            yield Finding("bad", "daemon", f"{error}", fix)
        else:
            yield Finding("note", "daemon", str(error))
    except ChronoTickError as error:
        yield Finding("note", "daemon", str(error))
    else:
        yield Finding("ok", "daemon", f"{path}: {now.status.name.lower()}")


def _is_alive(pid: int | None) -> bool:
    """Whether there is such a process: one that published once, and does not now."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def _control(loaded: Loaded) -> Iterable[Finding]:
    from chronotick.client import ChronoTickError
    from chronotick.client.control import ask

    try:
        answer = ask("status", socket_path=loaded.config.control.socket)
    except ChronoTickError as error:
        yield Finding("note", "control socket", str(error))
    else:
        yield Finding("ok", "control socket", str(loaded.config.control.socket))
        yield from (Finding("note", "daemon", problem) for problem in answer["problems"])


def _servers(loaded: Loaded) -> Iterable[Finding]:
    believed = _believed(loaded)
    if believed:  # started with other servers, perhaps: these are the ones that matter
        yield Finding("ok", "servers", f"the daemon believes {', '.join(believed)}")
        return
    findings = [*map(_server, loaded.config.clock_measurement.ntp.servers)]
    yield from findings
    if all(finding.state == "bad" for finding in findings):
        yield Finding(
            "bad",
            "servers",
            "none can be looked up: this host has no network, or its DNS does not answer",
            "name a server by its address: chronotick run --server ADDRESS. "
            "Without any network, to see how it works: chronotick demo",
        )


def _believed(loaded: Loaded) -> list[str]:
    """Sources that a running daemon believes; none without a daemon."""
    from chronotick.client import ChronoTickError
    from chronotick.client.control import ask

    try:
        answer = ask("status", socket_path=loaded.config.control.socket)
    except ChronoTickError:
        return []
    believed: list[str] = answer["sources_believed"]
    return believed


def _server(name: str) -> Finding:
    import asyncio

    from chronotick.ntp import ResolveError, parse_server, resolve

    try:
        endpoints = asyncio.run(resolve(parse_server(name)))
    except ResolveError as error:
        host = parse_server(name).host
        fix = f"check the spelling in clock_measurement.ntp.servers, and: getent hosts {host}"
        return Finding("bad", f"server {name}", f"the name has no address ({error.reason})", fix)
    return Finding("ok", f"server {name}", ", ".join(str(each) for each in endpoints[:4]))


def _watchdog(loaded: Loaded) -> Iterable[Finding]:
    from chronotick.client import ChronoTickError
    from chronotick.client.control import ask

    try:
        told = ask("status", socket_path=loaded.config.control.socket).get("watchdog")
    except ChronoTickError:
        return
    if told and told["alarm"]:
        fix = "see whom the clock is measured by: chronotick sources; prefer nts:// servers"
        yield Finding("bad", "watchdog", told["problem"], fix)
    elif told and told["problem"]:
        fix = "a new pool takes half an hour; else check DNS, and that UDP port 123 is let through"
        yield Finding("note", "watchdog", told["problem"], fix)
    elif told:
        found = told["verdict"] or "nobody was asked yet"
        yield Finding("ok", "watchdog", f"{found}, pool of {told['pool']} servers")


def _plugins(loaded: Loaded) -> Iterable[Finding]:
    from chronotick.cli.fitting import misfits
    from chronotick.plugin.registry import load_plugins

    plugins = load_plugins()
    yield Finding("ok", "models", ", ".join(plugins.models))
    for problem in plugins.problems:
        yield Finding("bad", f"plugin {problem.name}", problem.error, problem.hint)
    for misfit in misfits(loaded, plugins):
        fix = "correct it, then run: chronotick config check"
        yield Finding("bad", "configuration", str(misfit), fix)


def _uv(loaded: Loaded) -> Iterable[Finding]:
    import shutil

    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.uv import find_uv

    try:
        yield Finding("ok", "uv", str(find_uv()))
    except EnvironmentProblem as problem:
        yield Finding("note", "uv", problem.problem, problem.hint)
    root = loaded.config.workers.environments
    existing = next(p for p in (root, *root.parents) if p.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    short = free_gb < FREE_FOR_ENVIRONMENTS_GB
    fix = "free some, or set workers.environments to a larger disk" if short else ""
    state: Literal["note", "ok"] = "note" if short else "ok"
    yield Finding(state, "disk for environments", f"{free_gb:.1f} GB free at {existing}", fix)


CHECKS: tuple[Callable[[Loaded], Iterable[Finding]], ...] = (
    _clocks,
    _reader,
    _record,
    _control,
    _servers,
    _watchdog,
    _plugins,
    _uv,
)
