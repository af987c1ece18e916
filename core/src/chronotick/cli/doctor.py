"""``chronotick doctor``: what this machine can do, what is wrong, and the command that mends it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from chronotick.cli import doctor_daemon
from chronotick.cli.examined import Examined, Finding, examine
from chronotick.cli.output import FAILED, json_option, print_json
from chronotick.cli.settings import config_option

SLOW_CLOCK_NS = 500.0  # a system call: the vDSO takes a tenth of it
FREE_FOR_ENVIRONMENTS_GB = 3.0  # torch and its friends, once

_AS_ITS_USER = "run chronotick doctor as the daemon's user"
_OF_ITS_USER = {"clock_measurement.ntp.key_file", "http.token_file"}  # no other may read them


@click.command()
@config_option
@json_option
def doctor(config_path: Path | None, *, as_json: bool) -> None:
    """Check clocks, reader, record, sockets, history, servers' names, plugins, uv and disk.

    Without --config it looks at what the daemon runs with, if one does: its file, variables and
    options. The first line says what it is. Exit code 1 if something is bad.
    """
    examined = examine(config_path)
    findings = [*examined.origin, *(found for check in CHECKS for found in check(examined))]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.state:4}  {finding.what}: {finding.evidence}")
            if finding.fix:
                click.echo(f"      -> {finding.fix}")
    if any(finding.state == "bad" for finding in findings):
        raise click.exceptions.Exit(FAILED)


def _clocks(examined: Examined) -> Iterable[Finding]:
    del examined
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


def _reader(examined: Examined) -> Iterable[Finding]:
    del examined
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


def _servers(examined: Examined) -> Iterable[Finding]:
    believed = (examined.told or {}).get("sources_believed")
    if believed:  # started with other servers, perhaps: these are the ones that matter
        yield Finding("ok", "servers", f"the daemon believes {', '.join(believed)}")
        return
    findings = [*map(_server, examined.loaded.config.clock_measurement.ntp.servers)]
    yield from findings
    if all(finding.state == "bad" for finding in findings):
        yield Finding(
            "bad",
            "servers",
            "none can be looked up: this host has no network, or its DNS does not answer",
            "name a server by its address: chronotick run --server ADDRESS. "
            "Without any network, to see how it works: chronotick demo",
        )


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


def _plugins(examined: Examined) -> Iterable[Finding]:
    from chronotick.cli.fitting import misfits
    from chronotick.plugin.registry import load_plugins

    plugins = load_plugins()
    yield Finding("ok", "models", ", ".join(plugins.models))
    for problem in plugins.problems:
        yield Finding("bad", f"plugin {problem.name}", problem.error, problem.hint)
    for misfit in misfits(examined.loaded, plugins):
        if examined.of_another_user and misfit.path in _OF_ITS_USER:
            yield Finding("note", "configuration", f"for this user, {misfit}", _AS_ITS_USER)
        else:
            fix = "correct it, then run: chronotick config check"
            yield Finding("bad", "configuration", str(misfit), fix)


def _uv(examined: Examined) -> Iterable[Finding]:
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.uv import find_uv

    try:
        yield Finding("ok", "uv", str(find_uv()))
    except EnvironmentProblem as problem:
        yield Finding("note", "uv", problem.problem, problem.hint)
    yield _room(examined.loaded.config.workers.environments)


def _room(root: Path) -> Finding:
    """What is free where environments are built."""
    import shutil

    try:
        existing = next(each for each in (root, *root.parents) if each.exists())
        free_gb = shutil.disk_usage(existing).free / 1e9
    except OSError as error:
        evidence = f"{root} cannot be looked at by this user: {error.strerror}"
        return Finding("note", "disk for environments", evidence, _AS_ITS_USER)
    short = free_gb < FREE_FOR_ENVIRONMENTS_GB
    fix = "free some, or set workers.environments to a larger disk" if short else ""
    state: Literal["note", "ok"] = "note" if short else "ok"
    return Finding(state, "disk for environments", f"{free_gb:.1f} GB free at {existing}", fix)


CHECKS: tuple[Callable[[Examined], Iterable[Finding]], ...] = (
    _clocks,
    _reader,
    doctor_daemon.record,
    doctor_daemon.control,
    doctor_daemon.history,
    _servers,
    doctor_daemon.watchdog,
    _plugins,
    _uv,
)
