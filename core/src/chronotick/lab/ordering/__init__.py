"""The order of events on different nodes, decided from what each knows of its clock."""

from chronotick.lab.ordering.baselines import last_offset, raw_clock, straight_line
from chronotick.lab.ordering.bootstrap import Ranged
from chronotick.lab.ordering.daemon import Daemon
from chronotick.lab.ordering.emulating import emulated_node
from chronotick.lab.ordering.errors import OrderingError
from chronotick.lab.ordering.estimates import Estimates, Method
from chronotick.lab.ordering.events import Events, draw_events
from chronotick.lab.ordering.nodes import Node, check_nodes, open_node
from chronotick.lab.ordering.scores import IntervalScore, PointScore
from chronotick.lab.ordering.settings import Settings
from chronotick.lab.ordering.simulating import simulated_node, simulated_nodes
from chronotick.lab.ordering.study import Study, order
from chronotick.lab.ordering.truetime import TrueTime

BASELINES = {"raw": raw_clock, "last": last_offset, "line": straight_line}
"""Methods that need nothing but the measurements, by name."""

__all__ = [
    "BASELINES",
    "Daemon",
    "Estimates",
    "Events",
    "IntervalScore",
    "Method",
    "Node",
    "OrderingError",
    "PointScore",
    "Ranged",
    "Settings",
    "Study",
    "TrueTime",
    "check_nodes",
    "draw_events",
    "emulated_node",
    "last_offset",
    "open_node",
    "order",
    "raw_clock",
    "simulated_node",
    "simulated_nodes",
    "straight_line",
]
