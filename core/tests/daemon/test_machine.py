from __future__ import annotations

import math
from pathlib import Path

from chronotick.daemon.machine import (
    Machine,
    control_groups,
    cpu_limit,
    memory_limit_mb,
    this_machine,
)


def test_limits_of_a_control_group_count(tmp_path: Path):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{512 * 2**20}\n")
    (tmp_path / "memory.current").write_text(f"{200 * 2**20}\n")
    assert cpu_limit(tmp_path) == 1.5
    assert memory_limit_mb(tmp_path) == 312.0


def test_a_group_without_limits_or_none_at_all_limits_nothing(tmp_path: Path):
    assert math.isinf(cpu_limit(tmp_path))
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert math.isinf(cpu_limit(tmp_path))
    assert math.isinf(memory_limit_mb(tmp_path))


def test_limits_of_our_own_group_and_of_those_around_it_count(tmp_path: Path):
    root, ours = tmp_path / "groups", tmp_path / "cgroup"
    slice_ = root / "system.slice"
    unit = slice_ / "chronotick.service"
    unit.mkdir(parents=True)
    ours.write_text("4:memory:/v1\n0::/system.slice/chronotick.service\n")
    assert control_groups(root, ours) == [unit, slice_, root]
    (unit / "cpu.max").write_text("max 100000\n")
    (slice_ / "cpu.max").write_text("50000 100000\n")
    assert min(map(cpu_limit, control_groups(root, ours))) == 0.5


def test_a_container_is_the_root_of_its_own_tree(tmp_path: Path):
    ours = tmp_path / "cgroup"
    for text in ("0::/\n", "0::/../../elsewhere\n", "4:memory:/v1\n"):
        ours.write_text(text)
        assert control_groups(tmp_path, ours) == [tmp_path]
    assert control_groups(tmp_path, tmp_path / "absent") == [tmp_path]


def test_this_machine_has_something():
    machine = this_machine()
    assert machine.cores >= 0.1
    assert machine.memory_mb > 0


def test_a_machine_is_described_in_a_line():
    words = str(Machine(cores=2, memory_mb=3072, gpus=(24_000.0,)))
    assert words == "2 cores, 3.0 GiB of memory free, 1 GPU"
