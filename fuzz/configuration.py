"""A configuration: the bytes of its file, and values of environment variables.

The first byte says which: a file, or lines ``NAME=VALUE`` of an environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from chronotick.config.errors import ConfigError
from chronotick.config.loading import Loaded, load
from chronotick.config.text import show
from fuzz.oracle import require
from fuzz.places import written

_HOME = {"HOME": "/nonexistent", "XDG_DATA_HOME": "/nonexistent"}


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Load a configuration, and load it again as it is shown.

    Raises:
        Finding: it is not the same then, or a problem is not told.
    """
    if data[:1] < b"\x80":
        loaded = _loaded(written("config.yaml", data[1:]), _HOME)
    else:
        loaded = _loaded(written("empty.yaml", b""), _HOME | _variables(data[1:]))
    if loaded is not None:
        again = _loaded(written("shown.yaml", show(loaded).encode()), _HOME)
        require(again is not None, "what is shown can be loaded")
        require(again is not None and again.config == loaded.config, "and it is the same")


def _loaded(path: Path, environ: Mapping[str, str]) -> Loaded | None:
    try:
        return load(path, environ, {})
    except ConfigError as error:
        require(error.problems, "an error has a problem")
        for problem in error.problems:
            require(problem.message, "a problem has words")
        return None


def _variables(data: bytes) -> dict[str, str]:
    """As the system hands them over: no zero byte, and what is no UTF-8 escaped."""
    lines = data.replace(b"\0", b"").decode("utf-8", "surrogateescape").split("\n")
    pairs = (line.partition("=") for line in lines)
    return {f"CHRONOTICK_{name}": value for name, _, value in pairs}


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    ntp = (
        b"clock_measurement:\n  ntp:\n    servers: [a.example, 'b.example:11123']\n"
        b"    min_sources: 2\n"
    )
    models = (
        b"short_term:\n  models: [kalman, chronos]\nfusion: {method: expert_weighting}\n"
        b"workers:\n  checkpoints:\n    chronos: /x/y\n"
    )
    return {
        "ntp": b"\0" + ntp,
        "models": b"\0" + models,
        "alias": b"\0a: &a [1]\nb: *a\n<<: {c: 1}\n",
        "numbers": b"\0clock: {max_drift_ppm: 1e-3, max_frequency_error_ppm: 0x1F}\n",
        "tagged": b"\0a: !!int x\nb: !!python/name:os.system\nc: 2026-11-20\n",
        "bom": b"\0\xef\xbb\xbfshm: {path: ~/x}\n",
        "variables": b"\x80WORKERS__THREADS=2\nMODEL=kalman,line\nSHM=/tmp/x\nWARMUP=5\n",
        "misspelt": b"\x80MODELS=kalman\nSHORT_TERM__MODELS=[kalman\nFUSION__ENABLED=no\n",
    }
