"""Everything that can go wrong with a worker, as seen by the daemon."""

from __future__ import annotations

from collections.abc import Iterable


class WorkerError(Exception):
    """Base of the errors a forecast by a worker can end with.

    Attributes:
        worker: name of the model.
    """

    def __init__(self, worker: str, message: str) -> None:
        self.worker = worker
        super().__init__(f"{worker}: {message}")


class WorkerUnavailable(WorkerError):  # noqa: N818 - says what the worker is
    """Raised at once when the worker is not ready, or dies while it computes.

    Attributes:
        crashed: its process ended by its own doing, of which the request may be the cause; false if
            it was ended by others, for want of memory for instance, or is away.
    """

    def __init__(self, worker: str, message: str, *, crashed: bool = False) -> None:
        self.crashed = crashed
        super().__init__(worker, message)


class ForecastFailed(WorkerError):  # noqa: N818 - says what happened
    """Raised when the worker answered that it has no forecast, or answered with none.

    Attributes:
        kind: ``exception``, ``invalid``, ``expired`` or ``cancelled``.
        traceback: of the exception in the worker; may be empty.
    """

    def __init__(self, worker: str, message: str, *, kind: str, traceback: str = "") -> None:
        self.kind = kind
        self.traceback = traceback
        super().__init__(worker, message)


class DeadlineMissed(WorkerError):  # noqa: N818 - says what happened
    """Raised when no answer came in time. The worker is stopped if none comes soon after."""


class Superseded(WorkerError):  # noqa: N818 - says what happened
    """Raised for a request that waited when a newer context took its place."""


class UnknownWorker(LookupError):  # noqa: N818 - says what the name is
    """Raised for the name of a model that has no worker; the message lists those that have."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        listing = ", ".join(sorted(known)) or "none"
        super().__init__(f"no model named {name!r} has a worker; those that have: {listing}")


class EnvironmentProblem(Exception):  # noqa: N818 - a problem with advice, shown to people
    """Raised when a model's environment cannot be built.

    The message says what failed, whose fault it is and what to run.

    Attributes:
        recipe: of the environment; may be empty.
        hint: what to do, also the end of the message.
    """

    def __init__(self, recipe: str, problem: str, hint: str) -> None:
        self.recipe = recipe
        self.problem = problem
        self.hint = hint
        prefix = f"environment {recipe}: " if recipe else ""
        super().__init__(f"{prefix}{problem} {hint}")
