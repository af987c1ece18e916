"""Models in processes of their own: environments, wire protocol, supervision.

The names below are imported when they are first used: worker processes import this package too
and must not pay for, or need, what only the daemon uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chronotick.workers.environments import BuiltEnvironment, list_environments, prune
    from chronotick.workers.errors import (
        DeadlineMissed,
        EnvironmentProblem,
        ForecastFailed,
        Superseded,
        UnknownWorker,
        WorkerError,
        WorkerUnavailable,
    )
    from chronotick.workers.leases import Lease, command
    from chronotick.workers.provision import build, provide
    from chronotick.workers.recipes import Plan, plan
    from chronotick.workers.state import Phase, WorkerState
    from chronotick.workers.supervisor import WorkerPool
    from chronotick.workers.worker import Worker

_HOMES = {
    "BuiltEnvironment": "environments",
    "DeadlineMissed": "errors",
    "EnvironmentProblem": "errors",
    "ForecastFailed": "errors",
    "Lease": "leases",
    "Phase": "state",
    "Plan": "recipes",
    "Superseded": "errors",
    "UnknownWorker": "errors",
    "Worker": "worker",
    "WorkerError": "errors",
    "WorkerPool": "supervisor",
    "WorkerState": "state",
    "WorkerUnavailable": "errors",
    "build": "provision",
    "command": "leases",
    "list_environments": "environments",
    "plan": "recipes",
    "provide": "provision",
    "prune": "environments",
}

__all__ = [
    "BuiltEnvironment",
    "DeadlineMissed",
    "EnvironmentProblem",
    "ForecastFailed",
    "Lease",
    "Phase",
    "Plan",
    "Superseded",
    "UnknownWorker",
    "Worker",
    "WorkerError",
    "WorkerPool",
    "WorkerState",
    "WorkerUnavailable",
    "build",
    "command",
    "list_environments",
    "plan",
    "provide",
    "prune",
]


def __getattr__(name: str) -> object:
    """Import a public name from the module it lives in (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
