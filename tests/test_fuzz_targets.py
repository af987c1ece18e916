"""The fuzz targets run, without their fuzzer, and find nothing in their corpus."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FUZZ = ROOT / "fuzz"
MOST_BYTES = 200_000

pytestmark = pytest.mark.timeout(300)  # a compiler and two interpreters, on a busy machine


def targets() -> list[str]:
    """Read from the source: the package is on no path of ours."""
    (table,) = (
        node.value
        for node in ast.parse((FUZZ / "targets.py").read_text()).body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TARGETS"
    )
    assert table is not None
    names = ast.literal_eval(table)
    assert isinstance(names, tuple)
    return list(names)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "CHRONOTICK_CONFIG": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def replayed() -> dict[str, tuple[int, int]]:
    """Inputs of each target, and how many of them show a fault."""
    done = run("-m", "fuzz.replaying")
    assert done.returncode in {0, 1}, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    sys.stderr.write(done.stderr)
    return {name: (int(inputs), int(found)) for name, inputs, found in rows}


@pytest.mark.parametrize("target", targets())
def test_a_target_finds_nothing_in_its_corpus(replayed: dict[str, tuple[int, int]], target: str):
    inputs, found = replayed[target]
    assert inputs == len(list((FUZZ / "corpus" / target).iterdir())) > 0
    assert found == 0


def test_the_corpus_is_what_the_targets_say_and_small(tmp_path: Path):
    """`python -m fuzz.seeds` would change nothing."""
    code = (
        "import pathlib, sys, fuzz.seeds as seeds\n"
        "seeds.CORPUS = pathlib.Path(sys.argv[1])\n"
        "seeds.main()\n"
    )
    assert run("-c", code, str(tmp_path)).returncode == 0
    corpus = FUZZ / "corpus"
    written = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    committed = {p.relative_to(corpus): p.read_bytes() for p in corpus.rglob("*") if p.is_file()}
    assert written == committed
    assert sum(map(len, committed.values())) < MOST_BYTES


@pytest.mark.parametrize(
    ("target", "broken"),
    [
        ("ntp_packet", "fuzz.ntp_packet.MAX_STRATUM = 1"),
        ("nts_records", "fuzz.nts_records.MOST_COOKIES = 0"),
        ("control_requests", "fuzz.control_requests._LONGEST_ERROR = 5"),
    ],
)
def test_a_promise_that_does_not_hold_is_found(target: str, broken: str):
    code = (
        f"import sys, fuzz.{target}, fuzz.replaying\n{broken}\n"
        f"sys.argv[1:] = [{target!r}]\nsys.exit(fuzz.replaying.main())\n"
    )
    done = run("-c", code)
    assert done.returncode == 1
    assert "Finding: " in done.stderr


def test_the_reader_in_c_keeps_its_promises_on_damaged_records():
    done = run("-c", "import fuzz.in_c, sys; sys.exit(0 if fuzz.in_c.compiler() else 3)")
    if done.returncode:
        pytest.skip("no C compiler")
    done = run("-m", "fuzz.in_c", "20000")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "20000 records\n"
