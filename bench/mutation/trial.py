"""Running tests in forked children: on the program as it is, and with a mutant in it.

A fresh pytest costs seconds before its first test. Here one pytest collects the tests, and each
child goes on from there: it gives the functions of one module other code and runs the tests that
execute the changed line. Only where a mutant is outside functions (a constant, a default) a child
imports the program and the tests anew. Nothing is changed on disk.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NoReturn, TypeAlias

import coverage
import hypothesis
import pytest
from mutants import Mutant

PACKAGE = "chronotick"
SOURCE = "core/src"
_LIMIT, _LEAST_S = 5.0, 5.0  # processor time of a test: this many times its own, and this long
_WAIT, _LEAST_WAIT_S = 20.0, 60.0  # the same of the clock on the wall, for those that hang
_MEMORY_BYTES = 8 << 30
_OPTIONS = ("-qq", "-s", "--no-header", "--assert=plain", "-pno:cacheprovider", "-pno:xdist")

Lines: TypeAlias = Mapping[str, Mapping[int, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Clean:
    """What the tests do without a mutant.

    Attributes:
        seconds: how long each test took that passed.
        lines: module and line to the tests that execute it.
        failed: tests that did not pass.
    """

    seconds: Mapping[str, float]
    lines: Lines
    failed: Sequence[str]

    def tests_of(self, module: str, first: int, last: int) -> list[str]:
        """Tests that execute one of the lines: of the module's own file first, then the quickest.

        A line that none executes is one of the import. Every test of the module's sees it, and
        those that execute nothing, which look at constants; where there are none of the first, all.
        """
        lines = self.lines.get(module, {})
        chosen = {test for line in range(first, last + 1) for test in lines.get(line, ())}
        own = {test for test in self.seconds if f"/test_{Path(module).stem}" in test}
        if not chosen and any(lines.values()):
            chosen = {test for tests in lines.values() for test in tests} | own | self._idle()
        chosen = chosen or set(self.seconds)
        return sorted(
            chosen & self.seconds.keys(), key=lambda test: (test not in own, self.seconds[test])
        )

    def _idle(self) -> set[str]:
        busy = {t for known in self.lines.values() for tests in known.values() for t in tests}
        return set(self.seconds) - busy


def in_session(root: Path, tests: Sequence[str], work: Callable[[Bench], None]) -> None:
    """Collect tests, then let ``work`` try mutants on them."""
    os.chdir(root)
    sys.path.insert(0, str(root / SOURCE))
    pytest.main([*_OPTIONS, *tests], plugins=[_Hypothesis(), _Instead(root, work)])


class Bench:
    """Tests that were collected, and the program as it is."""

    def __init__(self, root: Path, session: pytest.Session) -> None:
        self._root = root
        self._items = {item.nodeid: item for item in session.items}

    def clean(self) -> Clean:
        """Run all tests on the program as it is."""
        told = _in_child(self._measured)
        if told is None:
            raise RuntimeError("the tests crash without any mutant")
        lines = {
            module: {int(line): tests for line, tests in known.items()}
            for module, known in told["lines"].items()
        }
        return Clean(told["seconds"], lines, told["failed"])

    def killer(self, mutant: Mutant, tests: Mapping[str, float]) -> str | None:
        """The test that a mutant makes fail; ``None``: they all pass.

        Args:
            mutant: in whose place.
            tests: those to be run, in this order, with the seconds that each takes.
        """
        path = self._root / mutant.module
        if _module_name(path) not in sys.modules:  # a test will import it
            return self._told(lambda: self._with_finder(path, mutant.source, tests))
        codes = _changed_codes(path.read_text(), mutant.source) if mutant.in_function else {}
        if codes:
            return self._told(lambda: self._with_codes(path, codes, tests))
        return self._told(lambda: self._imported(path, mutant.source, tests))

    def control(self, module: str, tests: Mapping[str, float]) -> str | None:
        """The test that fails without any mutant, only because all is imported anew."""
        path = self._root / module
        return self._told(lambda: self._imported(path, path.read_text(), tests))

    def first_failure(self, tests: Mapping[str, float]) -> str | None:
        """Run tests, in this process, until one fails."""
        outcomes = _outcomes([self._items[test] for test in tests], _time_limits(tests))
        return next((name for name, passed, _ in outcomes if not passed), None)

    def _told(self, work: Callable[[], str | None]) -> str | None:
        told = _in_child(lambda: [work()])
        return "a crash, or no end" if told is None else str(told[0]) if told[0] else None

    def _measured(self) -> dict[str, object]:
        measured = coverage.Coverage(data_file=None, source_pkgs=[PACKAGE], config_file=False)
        measured.set_option("run:disable_warnings", ["module-not-measured"])  # imported before
        measured.start()
        outcomes = list(_outcomes(list(self._items.values()), measured.switch_context))
        measured.stop()
        return {
            "seconds": {name: seconds for name, passed, seconds in outcomes if passed},
            "failed": [name for name, passed, _ in outcomes if not passed],
            "lines": self._lines(measured.get_data()),
        }

    def _lines(self, data: coverage.CoverageData) -> Lines:
        return {
            str(Path(file).relative_to(self._root)): {
                line: [each for each in contexts if each]
                for line, contexts in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }

    def _with_finder(self, path: Path, source: str, tests: Mapping[str, float]) -> str | None:
        sys.meta_path.insert(0, _Mutated(path, source))
        return self.first_failure(tests)

    def _with_codes(
        self, path: Path, codes: Mapping[CodeType, CodeType], tests: Mapping[str, float]
    ) -> str | None:
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename == str(path):
                each.__code__ = codes.get(each.__code__, each.__code__)
        return self.first_failure(tests)

    def _imported(self, path: Path, source: str, tests: Mapping[str, float]) -> str | None:
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if name.startswith((PACKAGE, "conftest")) or "/tests/" in file:
                del sys.modules[name]
        sys.meta_path.insert(0, _Mutated(path, source))
        found: list[str | None] = []
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        in_session(self._root, files, lambda bench: found.append(bench.first_failure(tests)))
        return found[0] if found else "the tests cannot be imported"


def _outcomes(
    items: Sequence[pytest.Item], before: Callable[[str], object]
) -> Iterator[tuple[str, bool, float]]:
    """Run tests; each one's name, whether it passed, and how long it took (s)."""
    failures = _Failures()
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.pluginmanager.register(failures, "failures") if item is items[0] else None
        before(item.nodeid)
        began = time.perf_counter()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        seconds = time.perf_counter() - began
        before("")
        yield item.nodeid, item.nodeid not in failures.names, seconds


class _Failures:
    """Notes which tests fail."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.add(report.nodeid)


class _Instead:
    """Does something else with the collected tests than running them."""

    def __init__(self, root: Path, work: Callable[[Bench], None]) -> None:
        self._root = root
        self._work = work

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._work(Bench(self._root, session))
        return True


class _Hypothesis:
    """The same examples every time, and no search for the smallest that fails."""

    def pytest_configure(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            "mutation",
            deadline=None,
            database=None,
            derandomize=True,
            phases=phases,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutation")


def _in_child(work: Callable[[], object]) -> Any:  # noqa: ANN401 - any JSON type
    """What a child's work returned; ``None`` if it died. Processes of its own end with it."""
    with tempfile.TemporaryDirectory() as directory:
        answer = Path(directory) / "answer"
        pid = os.fork()
        if pid == 0:
            _work_in(Path(directory), work, answer)
        os.waitpid(pid, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        return json.loads(answer.read_text()) if answer.exists() else None


def _work_in(directory: Path, work: Callable[[], object], answer: Path) -> NoReturn:
    try:
        os.setsid()
        os.environ["TMPDIR"] = tempfile.tempdir = str(directory)
        said = os.open(directory / "said", os.O_RDWR | os.O_CREAT)
        for descriptor in range(3):
            os.dup2(said, descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        told = json.dumps(work())
        (directory / "part").write_text(told)
        (directory / "part").rename(answer)
    finally:
        os._exit(0)


def _time_limits(tests: Mapping[str, float]) -> Callable[[str], None]:
    """A child that stays in a test beyond its time is ended by a signal."""

    def limit(test: str) -> None:
        seconds = tests.get(test)
        signal.setitimer(signal.ITIMER_PROF, _LIMIT * seconds + _LEAST_S if seconds else 0)
        signal.setitimer(signal.ITIMER_REAL, _WAIT * seconds + _LEAST_WAIT_S if seconds else 0)

    return limit


def _changed_codes(source: str, changed: str) -> dict[CodeType, CodeType]:
    """What a module's functions execute, and what they are to execute instead.

    Nothing where a change is not that simple: it takes a function away.
    """
    before, after = list(_codes(_compiled(source))), list(_codes(_compiled(changed)))
    if len(before) != len(after):
        return {}
    return {old: new for old, new in zip(before, after, strict=True) if old != new}


def _compiled(source: str) -> CodeType:
    return compile(source, "mutant", "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _module_name(path: Path) -> str:
    base = next(each for each in path.parents if each.match(SOURCE))
    return ".".join(path.relative_to(base).with_suffix("").parts)


class _Mutated(importlib.abc.MetaPathFinder):
    """Finds one module with another source."""

    def __init__(self, path: Path, source: str) -> None:
        self._name = _module_name(path)
        self._path = path
        self._source = source

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Answer for that module only."""
        if fullname != self._name:
            return None
        loader = _Loader(fullname, str(self._path), self._source)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._mutated = source

    def get_code(self, _: str) -> CodeType:
        """Compile the other source; nothing is cached."""
        return compile(self._mutated, self.path, "exec", dont_inherit=True)
