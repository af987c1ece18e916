"""``docs/commands.md`` is what ``--help`` says, and the commands that pages name exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from chronotick.cli.document import documents, walk
from chronotick.cli.main import COMMANDS, chronotick

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text().partition("## What is not yet so")[0]
PAGES = {
    "README.md": README,
    **{
        str(path.relative_to(ROOT)): path.read_text()
        for path in [*ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md", *ROOT.glob("*/*/README.md")]
    },
}
OPTION = re.compile(r"--[a-z][a-z-]*")


@pytest.mark.parametrize("name", documents())
def test_the_page_is_up_to_date(name: str):
    assert (ROOT / name).read_text() == documents()[name], (
        "run: python -m chronotick.cli.document ."
    )


def test_the_page_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert (ROOT / "docs" / "commands.md").read_text() == documents()["docs/commands.md"]


def test_the_page_says_what_a_terminal_shows():
    command = [sys.executable, "-m", "chronotick", "config", "show", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout in documents()["docs/commands.md"]


def test_every_command_has_its_section():
    page = documents()["docs/commands.md"]
    paths = [context.command_path for context in walk(root())]
    assert {f"chronotick {name}" for name in COMMANDS} < set(paths)
    assert "chronotick envs sync" in paths
    assert [path for path in paths if f"\n## `{path}`\n" not in page] == []


def test_it_can_be_written(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    command = [sys.executable, "-m", "chronotick.cli.document", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "wrote docs/commands.md\n"
    assert (tmp_path / "docs/commands.md").read_text() == documents()["docs/commands.md"]


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_that_a_page_names_exist(page: str):
    assert [line for line in named_commands(PAGES[page]) if not exists(line)] == []


def test_the_check_above_finds_commands_and_what_is_wrong_with_them():
    text = "`chronotick read --json`\n```bash\n/opt/chronotick red  # x\n```\nthe chronotick daemon"
    assert list(named_commands(text)) == ["read --json", "red"]
    as_user = "`runuser -u chronotick -- /opt/chronotick read`"
    assert list(named_commands(as_user)) == ["read"]
    assert exists("envs sync NAME --find-links DIR")
    assert not exists("red")
    assert not exists("envs prone")
    assert not exists("read --jason")


def root() -> click.Context:
    return click.Context(chronotick, info_name="chronotick")


def named_commands(text: str) -> Iterator[str]:
    """What follows ``chronotick`` in code spans and in lines of code blocks."""
    blocks = re.findall(r"^```(?:bash|console|ini)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^ {4}(\S.*)$", prose, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", prose)
    for code in [*spans, *indented, *"\n".join(blocks).splitlines()]:
        for part in re.split(r"[;|#]|&&", code):
            found = re.search(r"(?:^|[\s/])chronotick (-{0,2}[a-z].*)", part)
            if found:
                yield found[1].strip()


def exists(line: str) -> bool:
    context, words = root(), line.split()
    while isinstance(context.command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        command = context.command.get_command(context, name)
        if command is None:
            return False
        context = click.Context(command, info_name=name, parent=context)
    known = {opt for param in context.command.get_params(context) for opt in param.opts}
    return set(OPTION.findall(" ".join(words))) <= known
