"""``chronotick completion``, and what the Tab key offers besides commands, options and files.

Click makes the script of each shell. The script runs ``chronotick`` itself at each press of the
key, so nothing here may import what takes long: the names of models are those of the entry points,
which are read without importing any plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

if TYPE_CHECKING:
    _Shell = ShellComplete
else:
    _Shell = object

PROGRAM = "chronotick"
VARIABLE = "_CHRONOTICK_COMPLETE"
"""Click's name for the variable in which a script asks for completions."""

Item: TypeAlias = "CompletionItem[str]"
Offer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[Item]]


def model_names() -> list[str]:
    """Names of the models that are probably there: those of their plugins, and the built-in ones.

    What a plugin really provides only importing it can tell.
    """
    from importlib.metadata import entry_points

    plugins = {entry.name for entry in entry_points(group="chronotick_model")}
    return ["kalman", "line", "hold", *sorted(plugins - {"builtin"})]


def _models(_ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
    """One name, or the next one of an option that takes several, separated by commas."""
    is_list = isinstance(param, click.Option) and not param.multiple
    before, comma, last = incomplete.rpartition(",") if is_list else ("", "", incomplete)
    given = before.split(",")
    return [
        CompletionItem(f"{before}{comma}{name}")
        for name in _beginning(last, model_names())
        if name not in given
    ]


def _configurations(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
    """Ready-made ones with their purpose; where none begins like that, files."""
    from chronotick.config.shipped import purpose, shipped

    ready = shipped()
    names = _beginning(incomplete, ready)
    return [
        *_files(ctx, param, incomplete),
        *(CompletionItem(n, help=purpose(ready[n])) for n in names),
    ]


def _recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
    return [*_files(ctx, param, incomplete), *_models(ctx, param, incomplete)]


def _files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Item]:
    """What the shell itself completes. Bash does so only where nothing else is offered."""
    return [CompletionItem(incomplete, type="file")]


def _worlds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
    """``NETWORK-CLOCK``; an argument may be a description's file as well."""
    from chronotick.lab.oscillator import OSCILLATORS
    from chronotick.lab.path_presets import PATHS

    names = [f"{network}-{clock}" for network in PATHS for clock in OSCILLATORS]
    files = _files(ctx, param, incomplete) if isinstance(param, click.Argument) else []
    return [*files, *(CompletionItem(name) for name in _beginning(incomplete, names))]


def _commands(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Item]:
    """The next word of a command's name, with what the command does."""
    given = ctx.params.get(param.name or "") or ()
    group = _command(ctx.find_root().command, given)
    if not isinstance(group, click.Group):
        return []
    return group.shell_complete(click.Context(group), incomplete)


def _any_of(*words: str) -> Offer:
    def offer(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Item]:
        return [CompletionItem(word) for word in _beginning(incomplete, words)]

    return offer


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


VALUES: Mapping[str, Offer] = {
    "model": _models,
    "models": _models,
    "recipes": _recipes,
    "config": _configurations,
    "config_path": _configurations,
    "device": _any_of("auto", "cpu", "cuda"),
    "log_level": _any_of("DEBUG", "INFO", "WARNING", "ERROR"),
    "command": _commands,
    "preset": _worlds,
    "world": _worlds,
    "measurements": _files,
    "truth_path": _files,
    "patterns": _files,
}
"""What is offered for a parameter, by its name in the code: the same everywhere it occurs."""


class Value(click.types.StringParamType):
    """A value that is offered by the rule of its parameter's name."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """Values that begin like this."""
        return VALUES[param.name or ""](ctx, param, incomplete)


class _Offering(_Shell):
    """Makes a shell of click's offer the values above, and never complain."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the incomplete one, and that one.

        Bash makes a word of the sign in ``--models=ka``, which click does not expect.
        """
        args, incomplete = super().get_completion_args()
        return [word for word in args if word != "="], incomplete

    def get_completions(self, args: list[str], incomplete: str) -> list[Item]:
        """Return what may follow; nothing after a command that does not exist."""
        for param in _command(self.cli, args).params:
            if param.name in VALUES and not isinstance(param.type, click.Choice):
                param.type = Value()
        try:
            return super().get_completions(args, incomplete)
        except click.UsageError:
            return []


class _Bash(_Offering, BashComplete):
    pass


class _Zsh(_Offering, ZshComplete):
    pass


class _Fish(_Offering, FishComplete):
    pass


_SHELLS: Mapping[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def _command(command: click.Command, args: Iterable[str]) -> click.Command:
    """The command that words lead to, as far as they do."""
    for word in args:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word) or command
    return command


def register() -> None:
    """Have click offer the values above when a shell asks through ``VARIABLE``."""
    for name, shell in _SHELLS.items():
        add_completion_class(shell, name)


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options and values.

    \b
    bash, ~/.bashrc:     source <(chronotick completion bash)
    zsh, ~/.zshrc:       source <(chronotick completion zsh)
    fish, config.fish:   chronotick completion fish | source
    """  # noqa: D301 - click's sign for lines that stay as they are
    program = context.find_root().command
    click.echo(_SHELLS[shell](program, {}, PROGRAM, VARIABLE).source(), nl=False)
