"""Which models have no weight because they are clearly worse than the baseline."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from chronotick.fusion.evidence import FEW_BLOCKS, Evidence
from chronotick.fusion.horizons import HORIZONS_S

if TYPE_CHECKING:
    from chronotick.fusion.skill import Skill

REVIEW_NS: Final = 64_000_000_000  # how often it is asked who is to be demoted

_log = logging.getLogger("chronotick.fusion")


class Demotions:
    """The demoted models, each with the horizon at which it is worst.

    Args:
        worst: those that were demoted before.
    """

    def __init__(self, worst: Mapping[str, int] | None = None) -> None:
        self.worst = dict(worst or {})
        self._reviewed_ns: int | None = None

    def review(self, raw_ns: int, skill: Skill) -> bool:
        """Demote whoever is clearly worse everywhere, and let come back who no longer is.

        It is done every :data:`REVIEW_NS`; in between nothing happens.

        Returns:
            Whether anything has changed. Each change is logged once.
        """
        if self._reviewed_ns is not None and raw_ns - self._reviewed_ns < REVIEW_NS:
            return False
        self._reviewed_ns = raw_ns
        changed = [self._review(model, skill) for model in skill.models]
        return any(changed)

    def _review(self, model: str, skill: Skill) -> bool:
        known = {
            index: evidence
            for index in range(len(HORIZONS_S))
            if (evidence := skill.evidence(model, index)) is not None
            and evidence.judged_blocks >= FEW_BLOCKS
        }
        if model in self.worst:
            return self._promoted(model, known, skill)
        if not known or not all(skill.clearly_worse(model, index) for index in known):
            return False
        self.worst[model] = max(known, key=lambda index: known[index].worse_by)
        _log.warning("%s is %s", model, skill.why_demoted(model))
        return True

    def _promoted(self, model: str, known: Mapping[int, Evidence], skill: Skill) -> bool:
        """Let a model come back that is no worse than the baseline at some horizon any more."""
        equal = [index for index, evidence in known.items() if evidence.difference <= 0.0]
        if not equal:
            return False
        del self.worst[model]
        _log.info("%s has proven itself again: %s", model, skill.verdict(model, equal[0]))
        return True
