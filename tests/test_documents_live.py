"""Each page can be followed: what a reader would type is run, from the top down.

What is left out says so in a comment of the page; see ``documents.py``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages
from documents import WRITTEN, Block, blocks, commands, json_documents
from terminal import Terminal, elsewhere, free_ports, terminal

pytestmark = pytest.mark.timeout(300)

# What changes the machine, asks networks or takes long: a page has to say that it is not run.
NEVER = re.compile(r"(sudo|make|git|pip|docker|kubectl|systemctl|python (-m fuzz|bench/))\b")
RUNS = re.compile(r"\bchronotick run\b")
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
        yield elsewhere(block.as_run(line), folder), command.output


PAGES_TO_RUN = [page for page in WRITTEN if to_run(page)]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A daemon that runs already, as a page may suppose: the variables that lead to it.

    ``$TRACE`` is its debug trace.
    """
    folder = tmp_path_factory.mktemp("shared") / "clone"
    variables = {
        "CHRONOTICK_SHM": str(folder / "record"),
        "CHRONOTICK_CONTROL": str(folder / "run" / "chronotick" / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(folder / "history.sqlite3"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "TRACE": str(folder / "trace.jsonl"),
    }
    (port,) = free_ports(1)
    with terminal(folder, **variables) as opened:
        opened.enter(f"chronotick lab serve --port {port}")
        opened.enter(f"chronotick run --server 127.0.0.1:{port} --debug-trace $TRACE")
        opened.enter("chronotick waitsync")  # the log says so an instant before the record does
        yield variables


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a shorter name than ``tmp_path``: 107 bytes have to do for a socket's path in it."""
    return tmp_path_factory.mktemp("page")


@pytest.mark.parametrize("page", PAGES_TO_RUN)
def test_a_page_can_be_followed(page: str, request: pytest.FixtureRequest, folder: Path):
    """In one terminal, with a daemon if the page starts none."""
    lines = (line for block in to_run(page) for line, _ in typed(block, folder))
    starts_one = any(RUNS.search(line) for line in lines)
    variables = {} if starts_one else request.getfixturevalue("daemon")
    with terminal(folder / "clone", **variables) as opened:
        for block in to_run(page):
            follow(block, opened)


def follow(block: Block, opened: Terminal) -> None:
    for line in block.marked("run after:"):
        opened.enter(elsewhere(line, opened.folder))
    if block.language == "python":
        program = opened.folder / ".program.py"
        program.write_text(_PROGRAM.format(given=GIVEN, source=block.as_run(block.text)))
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
names = {{"__name__": __name__}}  # other than that in processes that it starts
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


# ------------------------------------------------------------------------------- what is answered


def test_answers_of_the_server_have_the_fields_that_its_page_shows(
    daemon: dict[str, str], tmp_path: Path
):
    texts = [block.text for block in blocks("docs/http.md") if block.language == "json"]
    shown = [document for text in texts for document in json_documents(text)]
    with terminal(tmp_path / "clone", **daemon) as opened:
        place = elsewhere("127.0.0.1:8123", opened.folder)
        opened.enter(f"chronotick http --listen {place}")
        ask = f"curl --silent http://{place}/v1/time"
        assert [*json_documents(opened.enter(ask))[0]] == [*shown[0]]
        (refused,) = json_documents(opened.enter(f"{ask}?ahead_s=never"))
        (failure,) = [each for each in shown if [*each] == ["error"]]
        assert refused["error"].keys() == failure["error"].keys()
        messages = first_messages(f"ws://{place}/v1/stream")
    assert messages["hello"].keys() == of_type("hello", shown).keys()
    assert messages["time"].keys() > of_type("time", shown).keys()  # "shortened here"
    assert {*messages} == {"hello", "time", "status", "sources", "models"}
    for name in ("status", "sources", "models"):
        assert messages[name].keys() == of_type(name, shown).keys() == {"type", name}


def of_type(name: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [each for each in documents if each.get("type") == name]
    return found


def first_messages(url: str) -> dict[str, dict[str, Any]]:
    """What the stream tells at once, by its type."""
    with connect(url) as connection:
        told = [json.loads(connection.recv(timeout=20)) for _ in range(5)]
    return {each["type"]: each for each in told}
