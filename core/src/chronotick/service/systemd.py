"""systemd: which units are put where, and what systemd is told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from chronotick.service.plan import Plan, Remove, Run, Step, Write
from chronotick.service.program import NAMED
from chronotick.service.signed import Standing, signed, standing

Scope = Literal["system", "user"]

COMPANIONS: Final = ("http", "neighbours", "worker")
VARIANTS: Final = ("models", "gpu")
DAEMON: Final = "chronotick.service"
_LOOKED_AT: Final[Mapping[Scope, str]] = {
    "system": "/etc/chronotick/config.yaml",
    "user": "~/.config/chronotick/config.yaml",
}
_TEXTS: Final = Path(__file__).with_name("units")


@dataclass(frozen=True, slots=True)
class Place:
    """Where units are, and how their systemd is spoken to.

    Attributes:
        scope: of the host, or of this user.
        root: directory of an image; nothing can be started there. ``None``: this host.
    """

    scope: Scope
    root: Path | None = None

    @property
    def units(self) -> Path:
        """Directory of the units."""
        if self.scope == "user":
            base = os.environ.get("XDG_CONFIG_HOME")
            return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"
        return (self.root or Path("/")) / "etc/systemd/system"

    @property
    def users(self) -> Path:
        """File that tells systemd-sysusers of the daemon's user."""
        return (self.root or Path("/")) / "etc/sysusers.d/chronotick.conf"

    def command(self, *words: str) -> tuple[str, ...]:
        """Return a command line of ``systemctl``."""
        scope = ("--user",) if self.scope == "user" else ()
        root = (f"--root={self.root}",) if self.root else ()
        return ("systemctl", *scope, *root, *words)

    def journal(self, unit: str) -> str:
        """Return the command that shows a unit's log."""
        return f"journalctl {'--user ' if self.scope == 'user' else ''}-u {unit}"

    def drop_in(self, variant: str) -> Path:
        """Return the file of a variant of the daemon's unit."""
        return self.units / f"{DAEMON}.d" / f"50-{variant}.conf"

    def installed(self) -> Iterator[str]:
        """Units of ours that are there, the daemon's first."""
        for name in (DAEMON, *map(unit_of, COMPANIONS)):
            if standing(self.units / name) is not Standing.ABSENT:
                yield name


def unit_of(companion: str) -> str:
    """Return the name of a companion's unit."""
    return f"chronotick-{companion}.service"


def to_install(
    place: Place,
    program: Path,
    *,
    companions: Sequence[str] = (),
    variants: Sequence[str] = (),
    config: Path | None = None,
    start: bool = True,
) -> Plan:
    """Return what installs the daemon.

    Args:
        place: where.
        program: what the units run.
        companions: of :data:`COMPANIONS`, each a unit of its own; of the host only.
        variants: of :data:`VARIANTS`: what the daemon's unit also permits; of the host only.
        config: configuration file; ``None``: where the daemon looks by itself.
        start: whether they run from now on too, not only from the next boot on.
    """
    names = [DAEMON, *map(unit_of, companions)]
    steps: list[Step] = [
        Write(place.units / name, unit_text(place.scope, name, program, config)) for name in names
    ]
    if place.scope == "system":
        steps += _variants(place, variants)
        steps.append(Write(place.users, signed(_read("chronotick.sysusers"))))
    return (*steps, *_told(place, names, start=start))


def to_uninstall(place: Place) -> Plan:
    """Return what removes everything that :func:`to_install` may have put there."""
    names = list(place.installed())
    files = [place.units / name for name in names]
    if place.scope == "system":
        files += [*map(place.drop_in, VARIANTS), place.users]
    removed = [Remove(file) for file in files if standing(file) is not Standing.ABSENT]
    if not removed:
        return ()
    stop = place.command("disable", *(() if place.root else ("--now",)), *names)
    before = [Run(stop)] if names else []
    after = [] if place.root else [Run(place.command("daemon-reload"))]
    return (*before, *removed, *after)


def unit_text(scope: Scope, name: str, program: Path, config: Path | None = None) -> str:
    """Return a unit as it is written: with the program and the configuration in their places.

    Args:
        scope: whose systemd it is for.
        name: e.g. ``chronotick.service``.
        program: what it runs.
        config: configuration file of the daemon; ``None``: where it looks by itself.
    """
    text = _read(f"user/{name}" if scope == "user" else name)
    if config:  # its comment says what to mend; a name with a newline would end the comment
        text = text.replace(_LOOKED_AT[scope], str(config).replace("\n", "\\n"))
    options = ["--config", str(config)] if config else []
    words = " ".join(map(quoted, (str(program), "run", *options)))
    text = text.replace(f"ExecStart={NAMED} run\n", f"ExecStart={words}\n")
    return signed(text.replace(f"ExecStart={NAMED} ", f"ExecStart={quoted(str(program))} "))


def quoted(word: str) -> str:
    """Return a word as it stands in ``ExecStart=`` (systemd.service(5), "Command lines")."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if plain and not set(plain) & set(" \t\n'\"\\;"):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _variants(place: Place, chosen: Sequence[str]) -> Iterator[Step]:
    """Drop-ins that are chosen, and the end of those that no longer are."""
    for variant in VARIANTS:
        path = place.drop_in(variant)
        if variant in chosen:
            yield Write(path, signed(_read(f"{DAEMON}.d/{variant}.conf")))
        elif standing(path) is not Standing.ABSENT:
            yield Remove(path)


def _told(place: Place, names: Sequence[str], *, start: bool) -> Iterator[Step]:
    if place.scope == "system":
        root = (f"--root={place.root}",) if place.root else ()
        yield Run(("systemd-sysusers", *root, place.users.name))
    if not place.root:
        yield Run(place.command("daemon-reload"))
    yield Run(place.command("enable", *names))
    if start and not place.root:
        hint = f"To know why, run: chronotick service status --{place.scope}"
        yield Run(place.command("restart", *names), hint)


def _read(name: str) -> str:
    return (_TEXTS / name).read_text(encoding="utf-8")
