"""The resources: what the daemon tells of itself, as it tells it, in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.mcpserver.resources import FunctionResource, Resource

from chronotick.client.errors import ChronoTickError
from chronotick.views import Snapshot

SCHEME: Final = "chronotick"
_JSON: Final = "application/json"


def clock_resources(snapshot: Snapshot) -> list[Resource]:
    """Return all resources of a clock."""
    return [
        _resource("status", "The daemon at a glance: times in s and ns.", snapshot.status),
        _resource("sources", "Every time server, why it is used or not.", snapshot.sources),
        _resource("models", "Every model, why it has its weight.", snapshot.models),
    ]


def _resource(name: str, description: str, ask: Callable[[], Any]) -> Resource:
    def read() -> str:
        try:
            return json.dumps(ask(), allow_nan=False)
        except ChronoTickError as error:
            raise ResourceError(str(error)) from error

    return FunctionResource.from_function(
        read, f"{SCHEME}://{name}", name=name, description=description, mime_type=_JSON
    )
