from __future__ import annotations

import math
from pathlib import Path

from chronotick.daemon.machine import Machine, cpu_limit, memory_limit_mb, this_machine


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


def test_this_machine_has_something():
    machine = this_machine()
    assert machine.cores >= 0.1
    assert machine.memory_mb > 0


def test_a_machine_is_described_in_a_line():
    words = str(Machine(cores=2, memory_mb=3072, gpus=(24_000.0,)))
    assert words == "2 cores, 3.0 GiB of memory free, 1 GPU"
