"""Pools of real processes; the faults come from the echo model's switches."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from chronotick.config.schema import Workers
from chronotick.plugin import ContextBatch, Environment, ModelSpec
from chronotick.plugin.echo import chronotick_models
from chronotick.workers import Phase, Plan, Worker, WorkerPool, plan
from chronotick.workers.environments import mark_complete
from chronotick.workers.keys import KeyPair, generate
from chronotick.workers.restart import RestartRules
from chronotick.workers.terms import Patience

QUICK = Patience(start_s=10.0, late_s=0.3, drain_s=2.0, term_s=1.0, poll_s=0.05)
QUICK_RULES = RestartRules(base_s=0.05, crashes=3, window_s=60.0, open_s=60.0)

LOCK = Path(__file__).parents[3] / "envs" / "core-models.lock"
RUNTIME = ("msgpack", "numpy", "pluggy", "pyzmq")

MakePool = Callable[..., WorkerPool]


@pytest.fixture
def echo() -> ModelSpec:
    return chronotick_models()[0]


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    # pytest's own tmp_path is too long for the path of a Unix socket.
    directory = Path(tempfile.mkdtemp(prefix="ct-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def make_pool(runtime_dir: Path, tmp_path: Path) -> AsyncIterator[MakePool]:
    pools = []

    def make(
        patience: Patience = QUICK, rules: RestartRules = QUICK_RULES, **config: object
    ) -> WorkerPool:
        pool = WorkerPool(
            Workers(environments=tmp_path / "envs", **config),
            runtime_dir,
            patience=patience,
            rules=rules,
        )
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        await pool.close()


@pytest.fixture
def batch() -> ContextBatch:
    values = np.linspace(1e-6, 2e-6, 32).reshape(1, 32)
    return ContextBatch(
        values=values,
        noise=np.full_like(values, 1e-7),
        step_s=1.0,
        trend_covariance=np.zeros((1, 4)),
    )


@pytest.fixture
def until():
    async def wait(condition: Callable[[], bool], timeout_s: float = 50.0) -> None:
        async def poll() -> None:
            while not condition():  # noqa: ASYNC110 - what other processes do sets no event here
                await asyncio.sleep(0.005)

        await asyncio.wait_for(poll(), timeout_s)

    return wait


@pytest.fixture
def wait_for_phase(until: Callable[..., Awaitable[None]]):
    async def wait(worker: Worker, *phases: Phase) -> None:
        await until(lambda: worker.state.phase in phases)

    return wait


@pytest.fixture
def is_alive():
    def check(pid: int) -> bool:
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(pid, 0)
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
            return stat.rpartition(")")[2].split()[0] != "Z"
        return False

    return check


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin package with a recipe of its own, importable but belonging to no distribution.

    Its lock holds what every worker needs, taken from a lock of ours.
    """
    source = tmp_path / "source"
    folder = source / "toy_plugin"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('planning must not import a plugin')\n")
    entries = re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8"))
    chosen = [entry for entry in entries if entry.split("==")[0] in RUNTIME]
    assert len(chosen) == len(RUNTIME)
    (folder / "toy.lock").write_text("\n".join(chosen) + "\n")
    (folder / "toy.in").write_text("\n".join(RUNTIME) + "\n")
    monkeypatch.syspath_prepend(str(source))
    return folder


@pytest.fixture
def toy(package: Path) -> ModelSpec:
    return ModelSpec(
        name="toy",
        title="Toy",
        worker="toy_plugin.worker:Toy",
        licence="MIT",
        output="point",
        environment=Environment(
            recipe="toy", package="toy_plugin", python=">=3.10", smoke_import="numpy"
        ),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "envs"


@pytest.fixture
def planned(toy: ModelSpec, root: Path) -> Plan:
    return plan(toy, root, "cpu", Path)


@pytest.fixture
def pretend() -> Callable[[Plan], None]:
    """Lay out an environment that looks complete, for tests of what is done with such ones."""

    def lay_out(planned: Plan) -> None:
        (planned.directory / "bin").mkdir(parents=True)
        planned.interpreter.symlink_to(sys.executable)
        mark_complete(planned)

    return lay_out


@pytest.fixture
def make_wheel(tmp_path: Path) -> Callable[..., Path]:
    """Write a wheel of one empty module into a directory that uv can take for an index."""

    def make(name: str, version: str, requires: tuple[str, ...] = ()) -> Path:
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        files = {
            f"{name}.py": f"version = {version!r}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
        path = tmp_path / "wheels" / f"{name}-{version}-py3-none-any.whl"
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for inside, text in files.items():
                # A fixed date: the same wheel has the same hash.
                archive.writestr(zipfile.ZipInfo(inside, (2026, 1, 1, 0, 0, 0)), text)
        return path

    return make


@dataclass
class Machine:
    """A machine's keys, and what it knows of others'."""

    keys: Path
    pair: KeyPair

    def knows(self, other: Machine, name: str = "127.0.0.1") -> Path:
        path = self.keys / f"{name}.pub"
        path.write_text(f"{other.pair.public} {name}\n")
        return path


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], Machine]:
    def make(name: str) -> Machine:
        return Machine(tmp_path / name, generate(tmp_path / name))

    return make


@pytest.fixture
def server_machine(machine: Callable[[str], Machine]) -> Machine:
    return machine("server")


@pytest.fixture
def clock_machine(machine: Callable[[str], Machine], server_machine: Machine) -> Machine:
    made = machine("clock")
    made.knows(server_machine)
    return made


@pytest.fixture
def allowed(tmp_path: Path, clock_machine: Machine) -> Path:
    path = tmp_path / "allowed"
    path.write_text(f"{clock_machine.pair.public} clock\n")
    return path


@pytest.fixture
def admit(allowed: Path):
    """Rewrite the list of keys: with one more, or with nobody."""

    def change(machine: Machine | None) -> None:
        line = "# nobody\n" if machine is None else f"{machine.pair.public} more\n"
        allowed.write_text((allowed.read_text() if machine else "") + line)

    return change
