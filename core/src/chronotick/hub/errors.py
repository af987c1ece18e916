"""What can go wrong with weights on their way to this machine."""

from __future__ import annotations


class HubProblem(Exception):  # noqa: N818 - a problem with advice, shown to people
    """Raised when weights cannot be had; the message says why and what to do."""


class HubUnreachable(HubProblem):
    """Raised when the hub does not answer, or the connection breaks again and again."""


class OtherWeights(HubProblem):
    """Raised when the place of weights is taken by others, which have to be removed first."""


class NoCache(HubProblem, FileNotFoundError):  # noqa: N818 - as the others here
    """Raised when the hub's cache has no place: the user has no home directory."""


class UnusableWeights(HubProblem):
    """Raised for files that are damaged, incomplete or pickles."""
