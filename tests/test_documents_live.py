"""Each page can be followed: what a reader would type is run, from the top down.

What is left out says so in a comment of the page; see ``documents.py``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages
from documents import WRITTEN, Block, blocks, commands
from terminal import Terminal, elsewhere, free_ports, terminal

pytestmark = pytest.mark.timeout(300)

# What changes the machine, asks networks or takes long: a page has to say that it is not run.
NEVER = re.compile(r"(sudo|make|git|pip|docker|kubectl|systemctl|python (-m fuzz|bench/))\b")
ANSWERS = {"yes", "unknown"}
# What names in the programs stand for that readers bring along.
GIVEN = """
import time as _time
deadline = lease_end = _time.time() + 60
log_line_timestamp = _time.time()
raw_ns = _time.clock_gettime_ns(_time.CLOCK_MONOTONIC_RAW) + 10**10
"""


def to_run(page: str) -> list[Block]:
    left = (block for block in blocks(page) if not block.left_out)
    return [block for block in left if block.is_shell or block.language == "python"]


def typed(block: Block, folder: Path) -> Iterator[tuple[str, str]]:
    """Lines to run, and what the page says they print."""
    for command in commands(block):
        line = command.line
        if line.startswith("#") or any(line.startswith(each) for each in block.lines_left_out):
            continue
        for old, new in block.replaced.items():
            line = line.replace(old, new)
        yield elsewhere(line, folder), command.output


PAGES_TO_RUN = [page for page in WRITTEN if to_run(page)]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A daemon that runs already, as a page may suppose: the variables that lead to it."""
    folder = tmp_path_factory.mktemp("shared") / "clone"
    variables = {
        "CHRONOTICK_SHM": str(folder / "record"),
        "CHRONOTICK_CONTROL": str(folder / "run" / "chronotick" / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(folder / "history.sqlite3"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
    }
    (port,) = free_ports(1)
    with terminal(folder, **variables) as opened:
        opened.enter(f"chronotick lab serve --port {port}")
        opened.enter(f"chronotick run --server 127.0.0.1:{port}")
        yield variables


@pytest.mark.parametrize("page", PAGES_TO_RUN)
def test_a_page_can_be_followed(page: str, request: pytest.FixtureRequest, tmp_path: Path):
    """In one terminal, with a daemon if the page starts none."""
    starts_one = any(
        re.search(r"\bchronotick run\b", line)
        for block in to_run(page)
        for line, _ in typed(block, tmp_path)
    )
    variables = {} if starts_one else request.getfixturevalue("daemon")
    with terminal(tmp_path / "clone", **variables) as opened:
        for block in to_run(page):
            follow(block, opened)


def follow(block: Block, opened: Terminal) -> None:
    for line in block.marked("run after:"):
        opened.enter(elsewhere(line, opened.folder))
    if block.language == "python":
        program = opened.folder / ".program.py"
        program.write_text(_PROGRAM.format(given=GIVEN, source=block.text))
        opened.enter(f"python {program}")
        return
    for line, promised in typed(block, opened.folder):
        assert not NEVER.match(line), f"{block}: say <!-- not run: why --> before it"
        printed = opened.enter(line)
        if promised:  # a page shows what stands on a terminal: of standard error what it likes
            told = f"{block}\n{printed}{opened.errors}"
            assert shape(printed) <= shape(promised) <= shape(printed + opened.errors), told


_PROGRAM = """\
import ast, asyncio, inspect
names = {{"__name__": "__main__"}}
exec({given!r}, names)
code = compile({source!r}, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
if inspect.iscoroutine(made := eval(code, names)):
    asyncio.run(made)
"""


def shape(output: str) -> set[str]:
    """The words of each line, without numbers, their units, and what hangs on the moment."""
    lines = (re.findall(r"(?<![\w.])[A-Za-z_]{3,}(?![\w.])", line) for line in output.splitlines())
    return {" ".join(word for word in words if word not in ANSWERS) for words in lines}


def test_shapes_are_told_apart():
    assert shape("bound +-1.5 us: true\nsigma 3 ms") == shape("sigma 12.1 us\nbound +-17 ms: true")
    assert shape("bound +-1.5 us") != shape("limit +-1.5 us")


def test_a_line_that_fails_and_one_that_ends_too_soon_are_noticed(tmp_path: Path):
    with terminal(tmp_path / "clone") as opened:
        opened.enter("export WORD=said; cd docs")
        assert opened.enter("echo $WORD; basename $PWD") == "said\ndocs\n"
        with pytest.raises(AssertionError, match="ends with 2"):
            opened.enter("chronotick read --jason")
    with pytest.raises(AssertionError, match="chronotick http --jason"):
        serve_in_vain(tmp_path / "another")


def serve_in_vain(folder: Path) -> None:
    with terminal(folder) as opened:
        opened.enter("chronotick http --jason")
        opened.served[-1][1].wait()
