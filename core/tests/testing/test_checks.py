"""The conformance checks find what they are for, in a real worker with real faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.config.schema import Workers
from chronotick.plugin.echo import chronotick_models
from chronotick.testing import CHECKS, Check, NotReady, Subject, Violation, running

CHECK = {check.name: check for check in CHECKS}
SPEC = chronotick_models()[0]


@pytest.fixture
def config(tmp_path: Path) -> Workers:
    return Workers(environments=tmp_path)


@pytest.fixture
async def echo(config: Workers) -> AsyncIterator[Subject]:
    async with running(SPEC, config) as subject:
        yield subject


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_echo_conforms(check: Check, echo: Subject):
    await check(echo)


@pytest.mark.parametrize(
    ("fault", "check", "words"),
    [
        ("nan", "contexts", "context 'usual'.*not finite"),
        ("wrong-shape", "horizons", "has shape"),
        ("raise", "lengths", "an exception, as asked for"),
        ("allocate=1", "memory", "100 forecasts took 1?[0-9][0-9] MiB"),
    ],
)
async def test_a_fault_is_found(fault: str, check: str, words: str, config: Workers):
    async with running(SPEC, config, checkpoint=fault) as subject:
        with pytest.raises(Violation, match=words):
            await CHECK[check](subject)


async def test_promises_of_the_specification_are_held_against_the_model(echo: Subject):
    longer = Subject(replace(echo.spec, min_context=20_000, max_context=40_000), echo.worker)
    with pytest.raises(Violation, match="allow 16384 samples"):
        await CHECK["limits"](longer)


async def test_a_model_that_does_not_load_says_why(config: Workers):
    with pytest.raises(NotReady, match="no weights, as asked for"):
        async with running(SPEC, config, checkpoint="missing-weights"):
            pass


def test_every_check_has_a_name_and_a_demand():
    assert len(CHECK) == len(CHECKS)
    assert all(check.demand.endswith(".") for check in CHECKS)
