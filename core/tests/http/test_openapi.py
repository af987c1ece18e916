"""The OpenAPI document: valid, complete, and true."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from chronotick.http.shapes import Failure

EPOCH_NS = 1_800_000_000 * 10**9


@pytest.fixture
async def document(asking) -> dict[str, Any]:
    async with asking() as client:
        answer: dict[str, Any] = (await client.get("/openapi.json")).json()
    return answer


async def test_it_is_valid(document):
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(document)


async def test_it_describes_every_route(document, asking):
    async with asking() as client:
        hint = (await client.get("/nowhere")).json()["error"]["hint"]
    assert set(document["paths"]) == set(hint.removeprefix("There are: ").rstrip(".").split(", "))


async def test_every_reference_leads_somewhere(document):
    text = json.dumps(document)
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names == set(document["components"]["schemas"])
    assert "#/$defs" not in text


async def test_parameters_are_those_that_are_taken(document):
    history = document["paths"]["/v1/history"]["get"]["parameters"]
    assert [each["name"] for each in history] == ["from", "to", "fields", "points"]
    assert all(each["description"] for each in history)


@pytest.mark.usefixtures("writer", "history", "answers")
@pytest.mark.parametrize(
    "target",
    ["/v1/time", f"/v1/history?from={EPOCH_NS}&to={EPOCH_NS + 10**12}", "/healthz", "/readyz"],
)
async def test_answers_are_as_described(document, asking, target: str):
    async with asking() as client:
        answer = (await client.get(target)).json()
    operation = document["paths"][target.partition("?")[0]]["get"]
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**described, "components": document["components"]})


async def test_errors_are_as_described(document, asking):
    async with asking() as client:
        Failure.model_validate_json((await client.get("/v1/time")).content, strict=True)
    default = document["paths"]["/v1/time"]["get"]["responses"]["default"]
    assert default["content"]["application/json"]["schema"]["$ref"].endswith("/Failure")
