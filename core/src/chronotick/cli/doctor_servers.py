"""What ``chronotick doctor`` finds about servers: whom the daemon believes, or what names mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from chronotick.cli.examined import Examined
from chronotick.cli.finding import Finding

PATIENCE_S: Final = 10.0
"""After the warm-up: a resolver that does not answer at once is none that never will."""

_NTP: Final = "clock_measurement.ntp"
_SEE: Final = "see them all: chronotick sources"
_MENDED: Final = {
    "?": "see that it serves, that no firewall is between, and that keys or certificates are right",
    "A": f"write it nts://HOST or key://ID@HOST, or set {_NTP}.authentication to prefer",
    "K": "it wants no questions from here: name another server",
    "S": f"name another server, or change {_NTP}.min_stratum or max_stratum",
    "W": f"name more servers, or lower {_NTP}.min_sources",
    "d": f"name a nearer server, or raise {_NTP}.max_acceptable_uncertainty",
    "m": "name more servers: it takes a majority to tell who is right",
    "x": "see whether it or the others are wrong, and name more servers",
}
"""What to do about a source, by the letter of :class:`chronotick.ntp.selection.Reason`."""


def servers(examined: Examined) -> Iterable[Finding]:
    """Whom the daemon believes; where it believes nobody, or does not run, what there is to ask."""
    told = examined.told
    believed = (told or {}).get("sources_believed")
    if believed:  # started with other servers, perhaps: these are the ones that matter
        yield Finding("ok", "servers", f"the daemon believes {', '.join(believed)}")
        return
    sources = _sources(examined) if told is not None else []
    if told is None or not sources:
        yield from _looked_up(examined)
        return
    waited_s = _waited_s(told)
    warm_up = examined.loaded.config.clock_measurement.timing.warm_up
    if waited_s <= warm_up.duration_seconds + PATIENCE_S:
        yield Finding("note", "servers", f"none is believed yet, after {waited_s:.0f} s", _SEE)
        return
    evidence = f"the daemon has believed none of its {len(sources)} for {waited_s:.0f} s"
    yield Finding("bad", "servers", evidence, _SEE)
    yield from map(_disbelieved, sources)


def _sources(examined: Examined) -> list[dict[str, Any]]:
    """What the daemon says of each; nothing, if it does not say it."""
    from chronotick.client import ChronoTickError
    from chronotick.client.control import ask

    try:
        told: list[dict[str, Any]] = ask("sources", socket_path=examined.socket)
    except ChronoTickError:
        return []
    return told


def _waited_s(told: dict[str, Any]) -> float:
    """How long nobody has been believed, at least: since it started, or lost those that were."""
    return min(float(told["daemon_uptime"]), float(told["status_since_s"]))


def _disbelieved(source: dict[str, Any]) -> Finding:
    letter, words = source["reason"], source["reason_words"]
    failed = source["reach"] == "0" and source["last_error"]  # else it may be long past
    evidence = f"{letter} {words}{f': {failed}' if failed else ''}"
    return Finding("bad", f"server {source['id']}", evidence, _MENDED.get(letter, _SEE))


def _looked_up(examined: Examined) -> Iterable[Finding]:
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

    server = parse_server(name)
    if server.is_path or server.is_numeric:
        return Finding("ok", f"server {name}", "no name to look up; it was not asked")
    try:
        endpoints = asyncio.run(resolve(server))
    except ResolveError as error:
        fix = f"check the spelling in {_NTP}.servers, and: getent hosts {server.host}"
        return Finding("bad", f"server {name}", f"the name has no address ({error.reason})", fix)
    return Finding("ok", f"server {name}", ", ".join(str(each) for each in endpoints[:4]))
