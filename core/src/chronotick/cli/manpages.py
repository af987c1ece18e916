"""``chronotick man``: a manual page of each command, made from the commands themselves.

The pages use the macros of man(7), which groff and mandoc both know.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from chronotick.cli.output import fail

SECTION = 1
_EXITS: Mapping[str, str] = {
    "0": "Done.",
    "1": "Failed.",
    "2": "Bad arguments or configuration.",
    "3": "No daemon.",
    "4": "Not synchronised.",
    "130": "Interrupted by Ctrl-C, where work that is done was kept (`compare`, `lab train`).",
}
_VARIABLES: Mapping[str, str] = {
    "CHRONOTICK_SHM": "The published record, instead of the first of the files below.",
    "CHRONOTICK_CONTROL": "The control socket of the daemon, instead of the second.",
    "CHRONOTICK_CONFIG": "The configuration: a file, or the name of a ready-made one.",
    "CHRONOTICK_SECTION__KEY": "Any key of the configuration, such as "
    "`CHRONOTICK_WORKERS__THREADS=2`; `chronotick config show` lists them.",
}
_FILES: Mapping[str, str] = {
    "/dev/shm/chronotick_shm": "The published record.",  # noqa: S108 - a published record
    "$XDG_RUNTIME_DIR/chronotick/control.sock": "The control socket of the daemon.",
    "$XDG_CONFIG_HOME/chronotick/config.yaml": "The configuration of this user.",
    "/etc/chronotick/config.yaml": "The configuration of this host, where the user has none.",
    "$XDG_DATA_HOME/chronotick/history.sqlite3": "What the daemon measured.",
}
_CODE = re.compile(r"`([^`]+)`")
_OPTION = re.compile(r"(?<![\w-])-+\w[\w-]*")
_VERBATIM = "\b"  # click's sign before a paragraph whose lines stay as they are
_FLAGS = re.compile(r"(-[\w-]+(?:(?:, | / )-[\w-]+)*) ?(.*)")
_GLYPHS = {"\\": r"\e", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
"""Characters that roff takes for something else, or shows as a typesetter's."""


@click.command()
@click.argument("command", nargs=-1, metavar="[COMMAND]...")
@click.option(
    "--out",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write all pages there instead; ~/.local/share/man/man1 is a place where man looks.",
)
@click.pass_context
def man(context: click.Context, command: tuple[str, ...], directory: Path | None) -> None:
    """Show the manual page of COMMAND, such as `models pull`, or write all pages.

    Without COMMAND, the page of chronotick itself. Where standard output is no terminal, the page
    is printed as roff.
    """
    root = context.find_root()
    if directory is not None:
        if command:
            raise click.UsageError("--out writes all pages: leave COMMAND out.")
        _write(directory, pages(root))
        return
    chosen = _find(root, command)
    if sys.stdout.isatty():
        _show(page_name(chosen), page(chosen))
    else:
        click.echo(page(chosen), nl=False)


def _find(root: click.Context, words: Sequence[str]) -> click.Context:
    """The command that words name; ends with code 2 if there is none."""
    context = root
    for word in words:
        group = context.command
        found = group.get_command(context, word) if isinstance(group, click.Group) else None
        if found is None:
            raise click.UsageError(f"{context.command_path} has no command {word!r}.")
        context = click.Context(found, info_name=word, parent=context)
    return context


def _write(directory: Path, made: Mapping[str, str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (directory / name).write_text(text, encoding="ascii")
    except OSError as error:
        fail(f"{error.filename} cannot be written: {error.strerror}. Name another directory.")
    click.echo(f"wrote {len(made)} pages to {directory}")


def _show(name: str, text: str) -> None:
    program = shutil.which("man")
    if program is None:
        fail("there is no program `man` here. --help of each command says the same")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_text(text, encoding="ascii")
        done = subprocess.run([program, "-l", path], check=False)
    if done.returncode:
        fail(f"`man -l` ended with status {done.returncode}")


def pages(root: click.Context) -> dict[str, str]:
    """Every page by the name of its file, such as ``chronotick-models-pull.1``.

    Args:
        root: context of the program.
    """
    from chronotick.cli.document import walk

    return {page_name(context): page(context) for context in walk(root)}


def page_name(context: click.Context) -> str:
    """The file of a command's page."""
    return f"{_title(context)}.{SECTION}"


def page(context: click.Context) -> str:
    """One command's page: ASCII, for any roff with the macros of man(7)."""
    sections = {
        "NAME": [f"{escape(_title(context))} \\- {prose(_short(context.command))}"],
        "SYNOPSIS": [_synopsis(context)],
        "DESCRIPTION": _description(context.command),
        "COMMANDS": _tagged((bold(n), prose(_short(c))) for n, c in _children(context)),
        "OPTIONS": _tagged(_options(context)),
        "EXIT STATUS": _table(_EXITS),
        "ENVIRONMENT": _table(_VARIABLES),
        "FILES": _table(_FILES),
        "SEE ALSO": [_see_also(context)],
    }
    lines = [_heading(context)]
    for title, content in sections.items():
        lines += [f".SH {title}", *content] if content else []
    return "\n".join(lines) + "\n"


def _heading(context: click.Context) -> str:
    from importlib.metadata import version

    release = version("chronotick")
    heading = f'.TH "{_title(context).upper()}" {SECTION} "" "ChronoTick {release}" "ChronoTick"'
    return f"{heading}\n.nh\n.ad l"  # what is to be copied must not be hyphenated


def _title(context: click.Context) -> str:
    return _path(context).replace(" ", "-")


def _path(context: click.Context) -> str:
    """Words of a command, without the arguments of groups that ``command_path`` may add."""
    above = f"{_path(context.parent)} " if context.parent else ""
    return f"{above}{context.info_name}"


def _synopsis(context: click.Context) -> str:
    pieces = " ".join(filter(None, context.command.collect_usage_pieces(context)))
    return f"{bold(_path(context))} {escape(pieces)}"


def _short(command: click.Command) -> str:
    """The first paragraph, without its full stop if it is one sentence."""
    first = " ".join((command.help or "").split("\n\n")[0].split())
    return first[:-1] if first.endswith(".") and ". " not in first else first


def _description(command: click.Command) -> list[str]:
    lines: list[str] = []
    for text in (command.help or "").strip().split("\n\n"):
        lines += [".PP"] if lines else []
        if text.startswith(_VERBATIM):
            kept = text.removeprefix(_VERBATIM).strip("\n").split("\n")
            lines += [".nf", *map(prose, kept), ".fi"]
        else:
            lines.append(prose(" ".join(text.split())))
    return lines


def _children(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield name, command


def _options(context: click.Context) -> Iterator[tuple[str, str]]:
    """Each option with its metavar, and its help with default and range."""
    for param in context.command.get_params(context):
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record is not None:
            flags, metavar = _flags_and_metavar(record[0])
            yield f"{bold(flags)} {italic(metavar)}".rstrip(), prose(record[1])


def _flags_and_metavar(text: str) -> tuple[str, str]:
    """Parts of ``-o, --option METAVAR``, as click writes it."""
    match = _FLAGS.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")


def _table(entries: Mapping[str, str]) -> list[str]:
    return _tagged((bold(name), prose(meaning)) for name, meaning in entries.items())


def _tagged(entries: Iterable[tuple[str, str]]) -> list[str]:
    return [line for tag, text in entries for line in (".TP", tag, text)]


def _see_also(context: click.Context) -> str:
    below = [f"{_title(context)}-{name}" for name, _ in _children(context)]
    above = [_title(context.parent)] if context.parent else []
    ours = [f"{bold(name)}({SECTION})" for name in (*above, *below)]
    return ", ".join([*ours, f"{bold('chronyd')}(8)"])


def prose(text: str) -> str:
    """A line of prose: what stands in backquotes is bold, and options keep their hyphens."""
    parts = _CODE.split(text)
    return _no_request("".join(bold(p) if n % 2 else _plain(p) for n, p in enumerate(parts)))


def _plain(text: str) -> str:
    """Prose may be broken at its hyphens; those of an option may not, and are for copying."""
    pieces = _OPTION.split(text)
    options = [*map(escape, _OPTION.findall(text)), ""]
    return "".join(f"{_glyphs(p)}{o}" for p, o in zip(pieces, options, strict=True))


def bold(text: str) -> str:
    """Text to be typed as it stands."""
    return f"\\fB{escape(text)}\\fR" if text else ""


def italic(text: str) -> str:
    """Text that stands for something else."""
    return f"\\fI{escape(text)}\\fR" if text else ""


def escape(text: str) -> str:
    """Text that roff shows character by character, for copying."""
    return _no_request(_glyphs(text).replace("-", r"\-"))


def _no_request(line: str) -> str:
    """A line that begins with a point would be an order to roff."""
    return rf"\&{line}" if line.startswith(".") else line


def _glyphs(text: str) -> str:
    return "".join(_GLYPHS.get(c, c if c.isascii() else f"\\[u{ord(c):04X}]") for c in text)
