"""All scenarios by name."""

from __future__ import annotations

from types import MappingProxyType

from chronotick.lab.scenarios.of_authentication import OF_AUTHENTICATION
from chronotick.lab.scenarios.of_clocks import OF_CLOCKS
from chronotick.lab.scenarios.of_networks import OF_NETWORKS
from chronotick.lab.scenarios.of_servers import OF_SERVERS

SCENARIOS = MappingProxyType(
    {each.name: each for each in (*OF_CLOCKS, *OF_NETWORKS, *OF_SERVERS, *OF_AUTHENTICATION)}
)
"""In the order in which they are documented."""
