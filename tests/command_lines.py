"""What pages give a reader to type: its words, and what the programs say to them."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from documents import WRITTEN, blocks, commands, spans

from chronotick.cli.main import chronotick


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each command in a line; a file behind ``>`` stands alone, as if it were one."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
    lexer.wordchars += "[]{}@:,%+^$"
    command: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("();<>|&"):
            command.append(word)
        elif command:
            yield command
            command = []


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of each call of ``chronotick`` in a line."""
    for command in simple_commands(line):
        places = [n for n, word in enumerate(command) if Path(word).name == "chronotick"]
        as_command = [n for n in places if _may_stand_before_a_command(command[:n])]
        if as_command:
            yield command[as_command[-1] + 1 :]


def refusal(arguments: list[str]) -> str | None:
    """Why the command line is refused, if it is; files of the reader need not be there."""
    context, rest = click.Context(chronotick, info_name="chronotick"), arguments
    try:
        while isinstance(group := context.command, click.Group) and rest:
            name, command, rest = group.resolve_command(context, rest)
            if command is None or not isinstance(command, click.Group):
                assert command is not None
                command.make_context(name, list(rest), parent=context)
                return None
            context = click.Context(command, info_name=name, parent=context)
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        said = error.format_message()
        return None if "does not exist" in said else said
    return None


def _may_stand_before_a_command(words: list[str]) -> bool:
    return not words or "=" in words[-1] or words[-1] in {"sudo", "--", "-m"}


@dataclass(frozen=True)
class Typed:
    """A command that a page shows, and where it stands."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


@functools.cache
def typed() -> tuple[Typed, ...]:
    """What blocks of commands hold, and what is said in sentences of programs."""
    return tuple(command for page in WRITTEN for command in _of_page(page))


def _of_page(page: str) -> Iterator[Typed]:
    shown = [each.line for block in blocks(page) if block.is_shell for each in commands(block)]
    said = [span for span in spans(page) if re.match(r"(make|pip|\S*python3?) ", span)]
    for line in (*shown, *said):
        yield from (Typed(page, tuple(_bare(words))) for words in simple_commands(line))


def _bare(words: list[str]) -> list[str]:
    """Without what stands before a program: variables, and who runs it."""
    while len(words) > 1 and (words[0] == "sudo" or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    return words


def of_program(*names: str) -> list[Typed]:
    found = {each for each in typed() if Path(each.words[0]).name in names}
    return sorted(found, key=str)
