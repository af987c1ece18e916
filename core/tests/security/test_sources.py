"""Nothing of ours runs what it reads: looked for in every source of the core and the plugins."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted(
    path
    for folder in (ROOT / "core" / "src", *ROOT.glob("plugins/*/src"))
    for path in folder.rglob("*.py")
)
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNPACKERS = {"tarfile", "zipfile", "shutil.unpack_archive"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
LOADERS_OF_CODE = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "pandas.read_pickle"}
RACES = {"tempfile.mktemp", "os.tempnam"}
FORBIDDEN_ARGUMENTS = {"trust_remote_code": True, "allow_pickle": True, "shell": True}
LOOKED_AT = (ast.Import, ast.ImportFrom, ast.Call)
SUSPICIOUS = re.compile(
    "|".join(
        [
            *UNPICKLERS,
            *(name.rpartition(".")[2] for name in UNPACKERS | SHELLS | LOADERS_OF_CODE | RACES),
            *(rf"(?<![.\w]){name}\(" for name in RUNS_TEXT),
            *FORBIDDEN_ARGUMENTS,
            r"torch\.load",
        ]
    )
)
"""What a file without findings mostly lacks: to parse all of them takes seconds."""

ALLOWED = {
    # Traces travel to processes of our own, as multiprocessing would pickle them, in a directory
    # with mode 0700 that is made for that.
    ("core/src/chronotick/lab/comparing/windowing.py", "imports pickle"),
    # The exception that numpy raises for a damaged file; nothing is unpacked.
    ("core/src/chronotick/lab/comparing/journal.py", "imports zipfile"),
}


def name_of(node: ast.expr) -> str:
    """The dotted name of what is called, empty where it has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return ""


def imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        yield node.module or ""


def of_import(node: ast.AST) -> Iterator[str]:
    for name in imports(node):
        if name.partition(".")[0] in UNPICKLERS | UNPACKERS:
            yield f"imports {name}"


def of_call(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    name = name_of(node.func)
    if name in RUNS_TEXT | SHELLS | LOADERS_OF_CODE | RACES | UNPACKERS:
        yield f"calls {name}"
    given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
    for argument, value in FORBIDDEN_ARGUMENTS.items():
        if argument in given and given[argument] is not (not value):
            yield f"calls {name} with {argument}"
    if name == "torch.load" and given.get("weights_only") is not True:
        yield "calls torch.load without weights_only=True"


def findings(text: str) -> list[str]:
    if not SUSPICIOUS.search(text):
        return []
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, LOOKED_AT)]
    return [found for node in nodes for of in (of_import, of_call) for found in of(node)]


def test_no_source_runs_what_it_reads():
    found = {
        (path.relative_to(ROOT).as_posix(), each)
        for path in SOURCES
        for each in findings(path.read_text(encoding="utf-8"))
    }
    assert len(SOURCES) > 300
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import pickle", "imports pickle"),
        ("from joblib import load", "imports joblib"),
        ("torch.load(path)", "calls torch.load without weights_only=True"),
        ("torch.load(path, weights_only=no)", "calls torch.load without weights_only=True"),
        ("Model.from_pretrained(x, trust_remote_code=True)", "trust_remote_code"),
        ("Model.from_pretrained(x, trust_remote_code=wanted)", "trust_remote_code"),
        ("numpy.load(path, allow_pickle=True)", "allow_pickle"),
        ("subprocess.run(line, shell=True)", "shell"),
        ("yaml.load(text)", "calls yaml.load"),
        ("eval(text)", "calls eval"),
        ("shutil.unpack_archive(path)", "calls shutil.unpack_archive"),
    ],
)
def test_the_search_finds_it(text, found):
    (one,) = findings(text)
    assert found in one


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(path, weights_only=True)",
        "numpy.load(path)",
        "model.eval()",
        "re.compile(text)",
        "Model.from_pretrained(x, trust_remote_code=False)",
    ],
)
def test_the_search_finds_nothing_where_nothing_is(text):
    assert findings(text) == []
