"""The daemon's own estimates, at exactly the instants of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chronotick.config.schema import Config
from chronotick.lab.ordering.estimates import Estimates, without_estimate, z_of
from chronotick.lab.ordering.nodes import Node
from chronotick.lab.ordering.truetime import Instants
from chronotick.lab.replaying import Estimate, Excerpt, Replay
from chronotick.plugin.registry import Plugins


@dataclass(frozen=True, slots=True)
class Daemon:
    """A `Method`: the daemon's code, replayed.

    Attributes:
        config: as the daemon's.
        plugins: what is installed; ``None``: look.
    """

    config: Config
    plugins: Plugins | None = None

    def __call__(self, node: Node, local_ns: Instants, confidences: Sequence[float]) -> Estimates:
        """Replay a node's measurements and ask at each instant.

        Raises:
            ModelUnavailableError: a model cannot be started, or died.
            NothingToReplayError: no measurement comes before the last instant.
        """
        made = without_estimate(len(local_ns), len(confidences) + 1)
        z = np.array([z_of(each) for each in confidences])
        number = {int(instant): row for row, instant in enumerate(local_ns)}
        excerpt = Excerpt(at_ns=tuple(number), until_ns=int(local_ns[-1]))
        with Replay(node.recording, self.config, excerpt, self.plugins) as running:
            for estimate in running:
                row = number[estimate.local_ns]
                made.offset_ns[row] = estimate.offset_ns
                made.half_ns[row, :-1] = z * estimate.sigma_ns
                made.half_ns[row, -1] = _bound(estimate)
        return made


def _bound(estimate: Estimate) -> float:
    return np.inf if estimate.bound_ns is None else float(estimate.bound_ns)
