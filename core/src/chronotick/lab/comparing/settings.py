"""How models are compared, and what is written down of a run."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chronotick.config import load
from chronotick.config.schema import Workers
from chronotick.lab.comparing.contestants import Contestant
from chronotick.lab.comparing.preparing import Preparation
from chronotick.lab.comparing.provenance import commit, now
from chronotick.lab.comparing.sessions import MOST_BATCH
from chronotick.lab.scoring.comparisons import SEED
from chronotick.lab.traces import Trace, Traces

DEADLINE_S = 4.0  # short_term.timeout_seconds: what the daemon waits for a forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How models are compared.

    Attributes:
        preparation: horizons, contexts and origins.
        workers: where environments are, which weights were chosen, threads.
        device: where models compute.
        most_batch: windows that a model is asked with at once, at most.
        deadline_s: time in which the daemon would want an answer.
        reading: further options of the command line that decide what comes out, beside those that
            traces were read with.
        retry_failed: whether models are asked again for windows that they are known to fail on.
    """

    preparation: Preparation
    workers: Workers = field(default_factory=Workers)
    device: str = "auto"
    most_batch: int = MOST_BATCH
    deadline_s: float = DEADLINE_S
    reading: tuple[str, ...] = ()
    retry_failed: bool = False


def configured(horizons_s: Sequence[float]) -> Settings:
    """Settings as the user's configuration has them, for a caller who gives none.

    Raises:
        ConfigError: it is wrong.
    """
    config = load(None, os.environ, {}).config
    preparation = Preparation(horizons_s=tuple(horizons_s), clock=config.clock)
    return Settings(preparation=preparation, workers=config.workers)


def run_of(
    command: Sequence[str],
    settings: Settings,
    compared: Sequence[Contestant],
    traces: Traces,
    problems: list[dict[str, str]],
) -> dict[str, Any]:
    """Everything that is known of a run when it begins, as JSON types."""
    preparation = settings.preparation
    return {
        "started": now(),
        "command": list(command),
        "versions": {
            name: version(name) for name in ("chronotick", "numpy", "pandas", "pyarrow", "uv")
        },
        "commit": commit(),
        "machine": {
            "node": platform.node(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
        },
        "settings": {
            "horizons_s": list(preparation.horizons_s),
            "context": preparation.context,
            "origins": asdict(preparation.origins),
            "device": settings.device,
            "bootstrap_seed": SEED,
            "deadline_s": settings.deadline_s,
            "reading": [*traces.reading, *settings.reading],
            "clock": preparation.clock.model_dump(mode="json", exclude_defaults=True),
            "retry_failed": settings.retry_failed,
        },
        "models": {each.name: dict(each.identity) for each in compared},
        "traces": [_described(trace) for trace in traces.traces],
        "problems": problems,
        "jobs": [],
    }


def _described(trace: Trace) -> dict[str, Any]:
    told = {name: getattr(trace, name) for name in ("name", "host", "digest", "kind")}
    told["path"] = str(Path(trace.path).absolute())  # commands are run from anywhere
    more = {"unit": trace.unit, "cadence_s": trace.cadence_s, "notes": list(trace.notes)}
    return told | more | {"truth": bool(trace.truth_time_s.size), "season": trace.season}
