from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chronotick.plugin.random_weights import of_size


def test_a_plugins_writer_is_called_with_a_new_directory_and_the_size(tmp_path: Path):
    (tmp_path / "writer.py").write_text(
        "def write(directory, size):\n    (directory / 'weights').write_text(size)\n"
    )
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from chronotick.plugin.random_weights import main; main()"
    )
    target = tmp_path / "new" / "weights"
    command = [sys.executable, "-c", program, "writer:write", str(target), "tiny"]
    subprocess.run(command, check=True, timeout=50)
    assert (target / "weights").read_text() == "tiny"


def test_unknown_sizes_are_refused_with_those_there_are():
    assert of_size({"tiny": 1, "base": 2}, "base") == 2
    with pytest.raises(ValueError, match="there is no size 'huge', only tiny, base"):
        of_size({"tiny": 1, "base": 2}, "huge")
