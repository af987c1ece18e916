"""Whatever the pages tell a reader to type works, and wherever they lead there is something."""

from __future__ import annotations

import ast
import functools
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from chronotick.cli.main import chronotick
from chronotick.config import Loaded
from chronotick.plugin import load_plugins

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages
from command_lines import calls, refusal
from documents import PAGES, ROOT, WRITTEN, Block, anchors, blocks, commands, links

ALL = [block for page in WRITTEN for block in blocks(page)]
SHELL = [block for block in ALL if block.is_shell]
PYTHON = [block for block in ALL if block.language == "python"]
DATA = {"json", "yaml", "toml", "ini"}  # test_documents_data.py
DISPLAYED = {"", "text"}
MADE_BY_READERS = {"damped", "auto-arima", "auto-ets", "theta"}  # models


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


def test_a_reason_names_tests_that_there_are():
    reasons = " ".join(reason for block in ALL for reason in block.marked("not run:"))
    files = set(re.findall(r"[\w/]+/test_\w+\.py", reasons))
    assert files
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []


def test_words_that_a_block_is_run_with_others_for_stand_in_it():
    pairs = [(block, old) for block in ALL for old, _ in block.replaced]
    assert [(str(block), old) for block, old in pairs if old not in block.text or not old] == []


@pytest.mark.parametrize("block", SHELL, ids=named)
def test_commands_and_their_options_exist(block: Block):
    """Those too that are not run: each is parsed as the command itself parses it."""
    for command in commands(block):
        for arguments in calls(command.line):
            assert refusal(arguments) is None, command.line


@pytest.mark.parametrize("page", WRITTEN)
def test_models_that_commands_name_exist(page: str):
    named = {name for call in of_chronotick(page) for name in models(call)}
    assert named - MADE_BY_READERS - {*load_plugins().models} == set()


def of_chronotick(page: str) -> Iterator[list[str]]:
    lines = [each.line for block in blocks(page) if block.is_shell for each in commands(block)]
    return (call for line in lines for call in calls(line))


def models(call: list[str]) -> Iterator[str]:
    """Those that a command line names in options."""
    for option, value in itertools.pairwise(call):
        if option in {"--model", "--models"}:
            yield from value.split(",")
        elif option in {"--checkpoint", "--remote"}:
            yield value.partition("=")[0]


@pytest.mark.parametrize("page", WRITTEN)
def test_daemons_of_the_page_would_start(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What options make of the configuration is one: servers, weights and addresses are right."""
    started: list[Loaded] = []
    monkeypatch.setattr("chronotick.cli.run._run", lambda loaded, *_: started.append(loaded))
    (secret := tmp_path / "mine.keys").touch(mode=0o600)
    secret.write_text(f"1 AES128 HEX:{bytes(range(16)).hex()}\n")
    monkeypatch.setenv("CHRONOTICK_CLOCK_MEASUREMENT__NTP__KEY_FILE", str(secret))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    asked = [call for call in of_chronotick(page) if call[0] == "run"]
    asked = [call for call in asked if not MADE_BY_READERS & set(models(call))]
    said = [CliRunner().invoke(chronotick, call).output for call in asked]
    assert said == [""] * len(asked) == [""] * len(started)


def test_models_are_found_in_a_command_line():
    line = "run --models kalman,ttm --checkpoint chronos=DIR --checkpoint toto=DIR"
    assert [*models(line.split())] == ["kalman", "ttm", "chronos", "toto"]


def test_command_lines_that_are_wrong_would_be_found():
    (line,) = calls("sudo X=1 /opt/chronotick/bin/chronotick read --jason; echo chronotick # red")
    assert line == ["read", "--jason"]
    assert "--jason" in str(refusal(line))
    assert refusal(["red"])
    assert refusal(["models", "pull"])
    assert refusal(["run", "--config", "no-such-file.yaml"]) is None
    assert list(calls("source <(chronotick completion bash)")) == [["completion", "bash"]]


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
