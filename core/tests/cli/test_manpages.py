"""Manual pages say what ``--help`` says, and are clean roff."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from chronotick.cli.document import walk
from chronotick.cli.main import chronotick
from chronotick.cli.manpages import bold, escape, page, page_name, pages, prose

SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"]


def program() -> click.Context:
    return click.Context(chronotick, info_name="chronotick")


PAGES = pages(program())


def test_every_command_has_a_page_named_after_it():
    assert set(PAGES) == {f"{c.command_path.replace(' ', '-')}.1" for c in walk(program())}
    assert {"chronotick.1", "chronotick-run.1", "chronotick-models-pull.1"} < set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_its_sections_and_no_line_that_roff_could_take_for_a_request(name: str):
    text = PAGES[name]
    titles = re.findall(r"^\.SH (.+)$", text, re.MULTILINE)
    assert [title for title in titles if title in SECTIONS] == SECTIONS
    assert set(titles) - set(SECTIONS) <= {"COMMANDS", "OPTIONS"}
    requests = {line.split()[0] for line in text.splitlines() if line[:1] in {".", "'"}}
    assert requests <= {".TH", ".SH", ".TP", ".PP", ".nf", ".fi", ".nh", ".ad"}
    assert text.isascii()
    assert "" not in text.splitlines()  # roff would show an empty line


@pytest.mark.parametrize("context", list(walk(program())), ids=lambda context: context.command_path)
def test_a_page_has_every_option_and_every_command_below(context: click.Context):
    text = page(context)
    for param in context.command.get_params(context):
        if isinstance(param, click.Option):
            assert escape(param.opts[-1]) in text
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            assert f".TP\n{bold(name)}\n" in text


def test_options_come_with_metavar_default_and_range():
    text = PAGES["chronotick-demo.1"]
    told = "Simulated time servers.  [default: 4; 1<=x<=100]"
    assert f".TP\n\\fB\\-\\-servers\\fR \\fIINTEGER RANGE\\fR\n{told}\n" in text


def test_what_roff_would_interpret_is_escaped():
    assert escape(r"a\b -x .'`^~") == r"a\eb \-x .\(aq\(ga\(ha\(ti"
    assert escape(".TH 1") == r"\&.TH 1"
    assert escape("±1 µs") == r"\[u00B1]1 \[u00B5]s"
    assert escape("'") == r"\(aq"


def test_prose_keeps_hyphens_of_options_and_code_for_copying():
    assert prose("ready-made, or --json of `run --a-b`") == (
        r"ready-made, or \-\-json of \fBrun \-\-a\-b\fR"
    )
    assert prose(".hidden") == r"\&.hidden"
    assert prose("`x` and 'y'") == r"\fBx\fR and \(aqy\(aq"


def test_lines_that_click_keeps_stay_lines():
    command = click.Command("c", help="Do it.\n\n\b\none  -a\n.two\n\nThe end.")
    text = page(click.Context(command, info_name="c"))
    assert ".SH DESCRIPTION\nDo it.\n.PP\n.nf\none  \\-a\n\\&.two\n.fi\n.PP\nThe end.\n" in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_complain_of(tmp_path: Path):
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    command = ["groff", "-man", "-Tutf8", "-ww", "-z", *sorted(tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_shows_what_was_written():
    odd = r"Take `a\nb --c` 'now' .PP ~/x ^y"
    text = page(click.Context(click.Command("c", help=f"Short.\n\n.{odd}"), info_name="c"))
    command = ["groff", "-man", "-Tascii", "-P-c", "-P-b", "-P-u"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert f".{odd.replace('`', '')}" in done.stdout


def test_pages_are_written_and_one_is_printed(run, tmp_path):
    directory = tmp_path / "share" / "man1"
    result = run("man", "--out", str(directory))
    assert result.output == f"wrote {len(PAGES)} pages to {directory}\n"
    assert {path.name for path in directory.iterdir()} == set(PAGES)
    printed = run("man", "models", "pull").output
    assert printed == (directory / "chronotick-models-pull.1").read_text()
    assert run("man").output == (directory / "chronotick.1").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["statsu"], 2, "chronotick has no command 'statsu'"),
        (["models", "pul"], 2, "chronotick models has no command 'pul'"),
        (["run", "fast"], 2, "chronotick run has no command 'fast'"),
        (["run", "--out", "x"], 2, "leave COMMAND out"),
        (["--out", "/dev/null/x"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_shown_or_written_is_told_in_a_sentence(run, arguments, code, told):
    result = run("man", *arguments)
    assert result.exit_code == code
    assert told in result.output


def on_a_terminal(*words: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, what a terminal is shown, and standard error of ``chronotick man``."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "chronotick", "man", *words]
    environ = os.environ | {"MANPAGER": "cat", "MANWIDTH": "80", "TERM": "dumb", **variables}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdout=theirs, stderr=pipe, text=True) as running:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(ours, 65536):
                shown += part
        os.close(ours)
        assert running.stderr is not None
        told = running.stderr.read()
    return running.returncode, shown.decode(), told


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_on_a_terminal_man_shows_the_page():
    code, shown, _ = on_a_terminal("models", "pull")
    assert code == 0
    assert "chronotick models pull [OPTIONS] MODEL" in re.sub(".\b", "", shown)


def test_without_man_it_says_what_tells_the_same(tmp_path: Path):
    code, shown, told = on_a_terminal(PATH=str(tmp_path))
    assert (code, shown) == (1, "")
    assert (
        told == "chronotick: there is no program `man` here. --help of each command says the same\n"
    )


def test_a_page_is_named_like_its_command():
    context = click.Context(click.Command("b"), info_name="b", parent=program())
    assert page_name(context) == "chronotick-b.1"
