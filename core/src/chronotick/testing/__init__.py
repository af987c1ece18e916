"""For authors of model plugins: contexts to try, a running model, and the conformance checks.

Every first-party plugin is tested with the checks that ``chronotick models check`` runs::

    import pytest
    from chronotick.testing import CHECKS

    @pytest.fixture(scope="module")
    def model(chronotick_model):  # a fixture of chronotick's pytest plugin
        return chronotick_model("my-model")

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_conformance(model, check):
        model.check(check)
"""

from chronotick.testing.checkpoints import NoRandomWeights, random_checkpoint
from chronotick.testing.checks import CHECKS, Check, Subject, Violation
from chronotick.testing.contexts import CONTEXTS, batch_of, walk
from chronotick.testing.loaded import LoadedModel, loaded
from chronotick.testing.running import NotReady, running

__all__ = [
    "CHECKS",
    "CONTEXTS",
    "Check",
    "LoadedModel",
    "NoRandomWeights",
    "NotReady",
    "Subject",
    "Violation",
    "batch_of",
    "loaded",
    "random_checkpoint",
    "running",
    "walk",
]
