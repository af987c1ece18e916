"""Whatever the pages tell a reader to type works, and wherever they lead there is something."""

from __future__ import annotations

import ast
import configparser
import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import yaml

from chronotick.cli.main import chronotick
from chronotick.config import load
from chronotick.config.keys import keys

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages
from documents import (
    PAGES,
    ROOT,
    WRITTEN,
    Block,
    anchors,
    blocks,
    calls,
    commands,
    links,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None

ALL = [block for page in WRITTEN for block in blocks(page)]
SHELL = [block for block in ALL if block.is_shell]
PYTHON = [block for block in ALL if block.language == "python"]
DATA = {"json", "yaml", "toml", "ini"}
DISPLAYED = {"", "text"}


def named(block: Block) -> str:
    return str(block)


@functools.cache
def all_tests() -> str:
    files = (*ROOT.glob("tests/test_*.py"), *ROOT.glob("core/tests/**/test_*.py"))
    return "\n".join(path.read_text("utf-8") for path in files)


# ---------------------------------------------------------------------------- what blocks say


@pytest.mark.parametrize("block", ALL, ids=named)
def test_a_block_is_of_a_kind_that_something_checks(block: Block):
    checked = block.is_shell or block.language in {"python", *DATA, *DISPLAYED}
    assert checked or block.left_out, f"who would notice if this {block.language} were wrong?"


def test_what_is_said_to_be_run_by_another_test_is():
    names = {name for block in ALL for name in block.marked("run by")}
    assert {name for name in names if f"def {name}(" not in all_tests()} == set()


def test_what_is_not_run_has_a_reason_and_is_there():
    reasons = [(block, reason) for block in ALL for reason in block.marked("not run:")]
    assert [str(block) for block, reason in reasons if len(reason.split()) < 4] == []
    for block in SHELL:
        lines = [command.line for command in commands(block)]
        for beginning in block.lines_left_out:
            assert any(line.startswith(beginning) for line in lines), (str(block), beginning)


@pytest.mark.parametrize("block", SHELL, ids=named)
def test_commands_and_their_options_exist(block: Block):
    """Those too that are not run: each is parsed as the command itself parses it."""
    for command in commands(block):
        for arguments in calls(command.line):
            assert refusal(arguments) is None, command.line


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


def test_the_check_above_finds_what_is_wrong():
    (line,) = calls("sudo X=1 /opt/chronotick/bin/chronotick read --jason; echo chronotick # red")
    assert line == ["read", "--jason"]
    assert "--jason" in str(refusal(line))
    assert refusal(["red"])
    assert refusal(["models", "pull"])
    assert refusal(["run", "--config", "no-such-file.yaml"]) is None
    assert list(calls("source <(chronotick completion bash)")) == [["completion", "bash"]]


@pytest.mark.parametrize("block", [b for b in ALL if b.language in DATA], ids=named)
def test_data_can_be_read(block: Block, tmp_path: Path):
    if block.language == "json":
        read_json(block.text)
    elif block.language == "toml" and tomllib:
        tomllib.loads(block.text)
    elif block.language == "ini":
        configparser.ConfigParser(strict=False).read_string(block.text)
    elif block.language == "yaml" and read_yaml(block.text) & sections():
        (tmp_path / "page.yaml").write_text(block.text)
        load(tmp_path / "page.yaml", {}, {})  # raises and says what is wrong


def read_json(text: str) -> None:
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        _, end = decoder.raw_decode(text)
        text = text[end:]


def read_yaml(text: str) -> set[str]:
    document = yaml.safe_load(text)
    return set(document)


def sections() -> set[str]:
    return {key.dotted.partition(".")[0] for key in keys()}


@pytest.mark.parametrize("block", PYTHON, ids=named)
def test_python_is_python(block: Block):
    compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_python_imports_what_exists():
    """Of blocks that are not run as well."""
    trees = [ast.parse(block.text) for block in PYTHON]
    imports = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Import)]
    named = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    code = "\n".join(sorted({ast.unparse(node) for node in [*imports, *named]}))
    assert "from chronotick" in code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --------------------------------------------------------------------------- where pages lead


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_lead_somewhere(page: str):
    assert [wrong for link in links(page) if (wrong := missing(page, link.target))] == []


def missing(page: str, target: str) -> str | None:
    parts = urlsplit(target)
    if parts.scheme:
        host = parts.hostname or ""
        plausible = parts.scheme == "https" and re.fullmatch(r"[\w-]+(\.[\w-]+)+", host)
        return None if plausible or parts.scheme == "mailto" else target
    path = (PAGES[page].parent / parts.path).resolve() if parts.path else PAGES[page]
    if not path.exists():
        return target
    known = parts.fragment in anchors(path) if parts.fragment and path.suffix == ".md" else True
    return None if known else target


def test_the_check_above_finds_what_leads_nowhere():
    assert missing("README.md", "docs/time.md#the-hard-bound") is None
    assert missing("README.md", "docs/time.md#the-soft-bound")
    assert missing("README.md", "docs/thyme.md")
    assert missing("README.md", "http://example.org/")
    assert missing("README.md", "https://example/")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_tests_and_files_of_ours_that_a_page_names_exist(page: str):
    text = PAGES[page].read_text("utf-8")
    names = set(re.findall(r"`(test_\w+)`", text))
    assert {name for name in names if f"def {name}(" not in text + all_tests()} == set()
    folders = "bench|configs|core|deploy|docs|examples|fuzz|plugins|tests"
    files = set(re.findall(rf"`((?:{folders})/[\w./-]+)", text))
    places = (ROOT, PAGES[page].parent)
    absent = {name for name in files if not any((place / name).exists() for place in places)}
    assert absent - {"tests/test_chronotick_damped.py"} == set()  # the reader generates it


# --------------------------------------------------------------------- what goes wrong in words


def sentences() -> set[str]:
    """Every text in the code, with an ellipsis where something is filled in."""
    found: set[str] = set()
    for path in ROOT.glob("core/src/chronotick/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.add("".join(_piece(value) for value in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(re.sub(r"%[-+.\d]*[a-z]", "…", node.value))
    return found


def _piece(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "…"


def test_messages_that_are_explained_are_those_of_the_code():
    page = PAGES["docs/troubleshooting.md"].read_text("utf-8")
    terms = re.findall(r"^(`.*)\n: ", page, re.MULTILINE)
    quoted = [words.strip() for term in terms for words in re.findall(r"`([^`]+)`", term)]
    code = sentences()
    assert len(quoted) > 50
    assert [words for words in quoted if not any(words in text for text in code)] == []
