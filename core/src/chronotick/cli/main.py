"""Entry points: ``chronotick`` and its other names, ``chronotick-…``.

Commands live in modules of their own and are imported when they are asked for. None of these
modules imports anything heavy before it is needed: ``chronotick --help`` stays fast.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping

try:
    import click
except ImportError:  # the client alone is installed
    sys.exit(
        "chronotick: the command line needs more packages. Run: pip install 'chronotick[daemon]'"
    )

COMMANDS: Mapping[str, str] = {
    "run": "chronotick.cli.run:run",
    "demo": "chronotick.cli.demo:demo",
    "read": "chronotick.cli.reading:read",
    "monitor": "chronotick.cli.reading:monitor",
    "json": "chronotick.cli.reading:json_command",
    "waitsync": "chronotick.cli.reading:waitsync",
    "status": "chronotick.cli.asking:status",
    "sources": "chronotick.cli.asking:sources",
    "models": "chronotick.cli.models:models",
    "plugin": "chronotick.cli.plugins:plugin",
    "worker": "chronotick.cli.workers:worker",
    "envs": "chronotick.cli.environments:envs",
    "config": "chronotick.cli.configuring:config",
    "http": "chronotick.cli.http:http",
    "metrics": "chronotick.cli.metrics:metrics",
    "mcp": "chronotick.cli.mcp:mcp",
    "neighbours": "chronotick.cli.neighbours:neighbours",
    "service": "chronotick.cli.service:service",
    "doctor": "chronotick.cli.doctor:doctor",
    "bench": "chronotick.cli.benchmark:bench",
    "compare": "chronotick.cli.comparing:compare",
    "results": "chronotick.cli.results:results",
    "lab": "chronotick.cli.lab:lab",
    "completion": "chronotick.cli.completion:completion",
    "man": "chronotick.cli.manpages:man",
}

CLIENT_COMMANDS: Mapping[str, str] = {
    "read": COMMANDS["read"],
    "monitor": COMMANDS["monitor"],
    "status": COMMANDS["status"],
    "benchmark": COMMANDS["bench"],
    "json": COMMANDS["json"],
}


COMPLETE = "_CHRONOTICK_COMPLETE"
"""Where a shell's completion script says that it asks; see ``chronotick.cli.completion``."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for.

    Args:
        targets: ``module:attribute`` of each command by its name.
    """

    def __init__(self, name: str, targets: Mapping[str, str], help_text: str) -> None:
        super().__init__(name, help=help_text)
        self._targets = targets

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, which is the order of use."""
        del ctx
        return list(self._targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in self._targets:
            return None
        module, _, attribute = self._targets[cmd_name].partition(":")
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        except ImportError as error:  # one command that is broken must not take the others along
            return _broken(cmd_name, error)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; the error for an unknown one names those that are near."""
        name = args[0]
        if not name.startswith("-") and name not in self._targets:
            import difflib

            near = difflib.get_close_matches(name, self._targets, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


def _broken(name: str, error: ImportError) -> click.Command:
    """Stand in for a command that cannot be imported: listed, and failing with the reason."""

    def tell(**_arguments: object) -> None:
        click.echo(f"chronotick: {name} is broken here: {error}. Install chronotick anew", err=True)
        raise click.exceptions.Exit(1)

    return click.Command(
        name,
        callback=tell,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        help=f"(broken here: {error})",
        context_settings={"ignore_unknown_options": True},
    )


HELP = """Corrected time with honest error bounds, without root.

The daemon (`run`) measures time servers, models the oscillator and publishes corrected time; every
process on the host reads it in nanoseconds. `demo` shows all of it in a minute without a network.

Exit codes: 0 done, 1 failed, 2 bad arguments or configuration, 3 no daemon, 4 not synchronised.
"""

chronotick = click.version_option(package_name="chronotick")(
    LazyGroup("chronotick", COMMANDS, HELP)
)
client = LazyGroup("chronotick-client", CLIENT_COMMANDS, "Read the time (alias of `chronotick`).")


def main() -> None:
    """Run ``chronotick``."""
    if COMPLETE in os.environ:
        from chronotick.cli.completion import register

        register()
    chronotick(prog_name="chronotick")


def daemon_main() -> None:
    """Run ``chronotick-daemon``: the same as ``chronotick run``."""
    chronotick(["run", *sys.argv[1:]], prog_name="chronotick")


def client_main() -> None:
    """Run ``chronotick-client``."""
    client(prog_name="chronotick-client")


def mcp_main() -> None:
    """Run ``chronotick-stdio-server``: the same as ``chronotick mcp``."""
    chronotick(["mcp", *sys.argv[1:]], prog_name="chronotick")
