"""Python programs of this repository take what the pages give them, those too that take hours.

``test_documents.py`` does this for ``chronotick`` itself. Each program reads its arguments as it
always does, and is stopped then.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages
from command_lines import Typed, of_program
from documents import ROOT

READS_ARGUMENTS = re.compile(r"\.parse_args\(|^@click\.command", re.MULTILINE)
FROM_PLACES = (ROOT, ROOT / "core" / "src", *ROOT.glob("examples/*"))


@dataclass(frozen=True)
class Program:
    """A Python program of the repository, as ``python`` is told of it."""

    file: Path
    module: str | None
    arguments: tuple[str, ...]

    @property
    def says_what_it_takes(self) -> bool:
        """Whether it takes options; the others take words, or nothing."""
        return bool(READS_ARGUMENTS.search(self.file.read_text("utf-8")))


def program(command: Typed) -> Program | None:
    """What a command starts, if that is of the repository; it may not exist."""
    words = ["." if word == "DIR" else word for word in command.words[1:]]
    if words[:1] == ["-m"]:
        name, path = words[1], words[1].replace(".", "/")
        if name.partition(".")[0] not in {"chronotick", "fuzz"}:
            return None
        return Program(_first(f"{path}.py", f"{path}/__main__.py"), name, tuple(words[2:]))
    if not words or not words[0].endswith(".py") or words[0] == "wait.py":  # the reader writes it
        return None
    return Program(_first(words[0]), None, tuple(words[1:]))


def _first(*names: str) -> Path:
    places = [place / name for place in FROM_PLACES for name in names]
    return next((path for path in places if path.exists()), places[0])


PYTHON = [each for each in of_program("python", "python3") if program(each)]


@pytest.mark.parametrize("command", PYTHON, ids=str)
def test_programs_exist_and_take_these_arguments(command: Typed):
    started = program(command)
    assert started is not None
    assert started.file.exists()
    if started.says_what_it_takes:
        assert answers()[started] is None
    elif "sys.argv" not in started.file.read_text("utf-8"):
        assert started.arguments == ()


@functools.cache
def answers() -> dict[Program, str | None]:
    """What each program of the pages says to its arguments, None if it takes them."""
    started = {each for command in PYTHON if (each := program(command)) and each.file.exists()}
    return asked([each for each in started if each.says_what_it_takes])


def asked(programs: list[Program]) -> dict[Program, str | None]:
    """All in one process, as most of the time goes into imports."""
    told = json.dumps([(str(each.file), each.module, each.arguments) for each in programs])
    done = subprocess.run(
        [sys.executable, "-c", _STOPPED_AFTER_PARSING],
        input=told,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(programs, json.loads(done.stdout), strict=True))


_STOPPED_AFTER_PARSING = """\
import argparse, contextlib, importlib.machinery, io, json, os, runpy, sys, traceback, unittest.mock
import click

class Elsewhere:  # stands for packages that programs bring into environments of their own
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {"cosmic_ray", "coverage", "parso"}:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return unittest.mock.MagicMock()

    def exec_module(self, module):
        pass

sys.meta_path.append(Elsewhere())

class Taken(BaseException):
    pass

def parse_args(self, args=None, namespace=None, real=argparse.ArgumentParser.parse_args):
    self.allow_abbrev = False  # else a page might go on with what an option was called once
    real(self, args, namespace)
    raise Taken

def invoke(self, context):
    raise Taken

argparse.ArgumentParser.parse_args, click.Command.invoke = parse_args, invoke

def answer(file, module, arguments):
    sys.argv = [file, *arguments]
    sys.path[0] = os.getcwd() if module else os.path.dirname(file)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            runpy.run_module(module, run_name="__main__") if module else runpy.run_path(
                file, run_name="__main__"
            )
    except Taken:
        return None
    except SystemExit:
        return said.getvalue()
    except Exception:
        return traceback.format_exc()
    finally:  # another program has other files of these names beside it
        for name, there in list(sys.modules.items()):
            if os.path.dirname(getattr(there, "__file__", None) or "") == sys.path[0]:
                del sys.modules[name]
    return "it asked nobody what its arguments mean"

json.dump([answer(*each) for each in json.load(sys.stdin)], sys.__stdout__)
"""


def test_arguments_that_a_program_does_not_take_would_be_found():
    wrong = {
        "python bench/faults.py --second 9": "--second",
        "python -m fuzz ntp_packets": "ntp_packets",
        "python examples/study/study.py --tinny": "--tinny",
    }
    told = [program(Typed("", tuple(line.split()))) for line in wrong]
    answered = asked([each for each in told if each]).values()
    for answer, word in zip(answered, wrong.values(), strict=True):
        assert answer is not None
        assert word in answer
