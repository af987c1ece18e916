"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

CHURN = """
import resource
from chronotick.daemon.heap import trim_heap

def resident_kib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024

kept = [bytearray(8000) for _ in range(4000)]  # below what malloc maps by itself
last = kept[-1]  # the heap cannot shrink from its end
del kept
before = resident_kib()
trim_heap()
print(before - resident_kib())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc's malloc")
def test_free_memory_between_what_is_in_use_is_given_back():
    done = subprocess.run(
        [sys.executable, "-c", CHURN], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) > 20_000
