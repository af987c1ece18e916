"""The description of the routes in OpenAPI 3.1, made from the table that leads requests."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chronotick.http.answers import JSON
from chronotick.http.routes import FILES, STREAM, Route
from chronotick.http.shapes import Failure

_REFERENCE = "#/components/schemas/{model}"


def document(table: Mapping[str, Route]) -> dict[str, Any]:
    """Describe routes.

    Args:
        table: routes by path.
    """
    shown = [each.answer for each in table.values() if each.answer is not None]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ChronoTick",
            "version": version("chronotick"),
            "description": "Corrected time with honest error bounds, and what is known of it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {path: {"get": _operation(path, route)} for path, route in table.items()},
        "components": {
            "schemas": _schemas([*shown, Failure]),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(path: str, route: Route) -> dict[str, Any]:
    return {
        "summary": route.summary,
        "operationId": path.strip("/").replace("/", "_").partition(".")[0] or "dashboard",
        "parameters": _parameters(path, route),
        "security": [] if route.open else [{"token": []}, {}],
        "responses": {
            **({"101": {"description": "A WebSocket."}} if path == STREAM else _success(route)),
            "default": {"description": "An error.", "content": _json_of(Failure)},
        },
    }


def _success(route: Route) -> dict[str, Any]:
    text = {route.content_type: {"schema": {"type": "string"}}}
    content = _json_of(route.answer) if route.answer else text
    return {"200": {"description": route.summary + ".", "content": content}}


def _json_of(model: type[BaseModel]) -> dict[str, Any]:
    return {JSON: {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}


def _parameters(path: str, route: Route) -> list[dict[str, Any]]:
    fields = route.query.model_json_schema(mode="validation").get("properties", {})
    asked = [_parameter(name, dict(field)) for name, field in fields.items()]
    if path == FILES:
        name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
        return [name, *asked]
    return asked


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("title", None)
    told = {"description": schema.pop("description", "")}
    return {"name": name, "in": "query", "required": False, **told, "schema": schema}


def _schemas(models: list[type[BaseModel]]) -> dict[str, Any]:
    described = models_json_schema(
        [(model, "serialization") for model in dict.fromkeys(models)], ref_template=_REFERENCE
    )
    definitions: dict[str, Any] = described[1]["$defs"]
    return definitions
