"""What is special to this plugin as the daemon sees it."""

from __future__ import annotations

import re
from pathlib import Path

from chronotick.workers.recipes import read_lock
from chronotick_toto.plugin import TOTO

REPOSITORY = Path(__file__).parents[3]


def test_lock_holds_what_is_needed_and_nothing_of_what_is_excluded():
    lock = read_lock(TOTO, "toto")
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    excluded = (REPOSITORY / "envs" / "toto.excludes").read_text(encoding="utf-8").split()
    assert {"toto-ts", "huggingface-hub", "safetensors", "setuptools", "scipy"} <= locked
    assert locked.isdisjoint({*excluded, "torch"})
