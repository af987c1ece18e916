"""For authors of model plugins: contexts to try, a running worker, and the conformance checks.

Every first-party plugin runs the same checks as ``chronotick models check``::

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    async def test_conformance(check, subject):
        await check(subject)
"""

from chronotick.testing.checks import CHECKS, Check, Subject, Violation
from chronotick.testing.contexts import CONTEXTS, batch_of, walk
from chronotick.testing.running import NotReady, running

__all__ = [
    "CHECKS",
    "CONTEXTS",
    "Check",
    "NotReady",
    "Subject",
    "Violation",
    "batch_of",
    "running",
    "walk",
]
