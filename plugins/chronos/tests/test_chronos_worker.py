"""Chronos in its real environment, through the real pool, on tiny random checkpoints."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from chronotick.config.schema import Workers
from chronotick.plugin import ContextBatch, ModelSpec
from chronotick.workers import ForecastFailed, Phase, Worker, WorkerPool

# One loop for the module: a worker that imports torch takes seconds to start.
pytestmark = [
    pytest.mark.environment,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]

LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)
NATIVE = [tenth / 10 for tenth in range(1, 10)]


def batch_of(values: np.ndarray) -> ContextBatch:
    noise = np.where(np.isnan(values), np.nan, 1e-7)
    return ContextBatch(
        values=values, noise=noise, step_s=1.0, trend_covariance=np.zeros((len(values), 4))
    )


def walk(length: int, series: int = 1, seed: int = 0) -> np.ndarray:
    """Residuals of a clock: a random walk of microseconds."""
    steps = np.random.default_rng(seed).normal(scale=1e-7, size=(series, length))
    return 3e-6 + steps.cumsum(axis=1)


@asynccontextmanager
async def running(spec: ModelSpec, environments: Path, checkpoint: str):
    runtime = Path(tempfile.mkdtemp(prefix="ct-"))
    pool = WorkerPool(Workers(environments=environments, offline=True), runtime)
    worker = pool.add(spec, str(checkpoint), "cpu")

    async def settled() -> None:
        while worker.state.phase not in {Phase.READY, Phase.BROKEN}:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)

    try:
        await asyncio.wait_for(settled(), 120)
        yield worker
    finally:
        await pool.close()
        shutil.rmtree(runtime)


@pytest.fixture(scope="module", params=["bolt", "chronos2"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(
    interpreter: Path, spec: ModelSpec, environments: Path, checkpoints: dict[str, Path], kind: str
):
    async with running(spec, environments, checkpoints[kind]) as started:
        assert started.state.phase is Phase.READY, started.state.last_error
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def start(interpreter: Path, spec: ModelSpec, environments: Path):
    async with AsyncExitStack() as stack:
        yield lambda checkpoint: stack.enter_async_context(running(spec, environments, checkpoint))


CONTEXTS = {
    "usual": walk(512),
    "several series": walk(300, series=3),
    "short": walk(3),
    "one sample": walk(1),
    "longer than the model's": walk(9000),
    "gaps": np.where(np.arange(512) % 3 == 0, np.nan, walk(512)),
    "starts late": np.where(np.arange(512) < 400, np.nan, walk(512)),
    "ends early": np.where(np.arange(512) > 500, np.nan, walk(512)),
    "constant": np.full((1, 64), 1e-6),
}


async def test_every_context_gets_a_forecast_on_its_own_scale(worker: Worker):
    for name, values in CONTEXTS.items():
        forecast = await worker.forecast(batch_of(values), 16, LEVELS, 60.0)
        assert forecast.mean.shape == (len(values), 16), name
        assert forecast.quantiles.shape == (len(values), 16, len(LEVELS)), name
        assert np.all(np.diff(forecast.quantiles, axis=-1) >= 0), name
        np.testing.assert_array_equal(forecast.mean, forecast.quantiles[:, :, 2])


async def test_series_without_measurements_is_an_error_that_names_it(worker: Worker):
    values = walk(64, series=2)
    values[1] = np.nan
    with pytest.raises(ForecastFailed, match=r"series \[1\] hold no measurement"):
        await worker.forecast(batch_of(values), 4, LEVELS, 60.0)
    assert worker.state.phase is Phase.READY


async def test_horizon_beyond_one_pass(worker: Worker):
    forecast = await worker.forecast(batch_of(walk(128)), 150, LEVELS, 60.0)
    assert forecast.mean.shape == (1, 150)


async def test_same_question_same_answer(worker: Worker):
    first, second = [await worker.forecast(batch_of(walk(512)), 64, LEVELS, 60.0) for _ in range(2)]
    np.testing.assert_array_equal(first.quantiles, second.quantiles)


async def test_forecasts_scale_with_the_data(worker: Worker):
    """The library floors the scale of constant series at 1e-5: ours must not depend on units."""
    large, small = [
        (await worker.forecast(batch_of(walk(512) * unit), 64, LEVELS, 60.0)).quantiles / unit
        for unit in (1.0, 1e-6)
    ]
    np.testing.assert_allclose(small, large, rtol=1e-4, atol=1e-12)


async def test_series_of_a_batch_do_not_influence_each_other(worker: Worker):
    values = walk(256, series=2)
    together = await worker.forecast(batch_of(values), 8, LEVELS, 60.0)
    alone = await worker.forecast(batch_of(values[1:]), 8, LEVELS, 60.0)
    np.testing.assert_allclose(together.quantiles[1:], alone.quantiles, rtol=1e-4, atol=1e-11)


async def test_wire_changes_nothing(
    worker: Worker, interpreter: Path, checkpoints: dict[str, Path], kind: str
):
    """The worker's answer is bit for bit that of a direct call in the same environment."""
    values = walk(512)
    program = (
        "import json, sys\nimport numpy as np\n"
        "from chronotick.plugin import ContextBatch\n"
        "from chronotick_chronos.worker import Chronos\n"
        "v = np.array(json.loads(sys.stdin.read()))\n"
        "model = Chronos()\nmodel.load(sys.argv[1], 'cpu', 1)\n"
        "b = ContextBatch(values=v, noise=np.full(v.shape, 1e-7), step_s=1.0,\n"
        "                 trend_covariance=np.zeros((1, 4)))\n"
        "f = model.forecast(b, 64, [0.01, 0.1, 0.5, 0.9, 0.99])\n"
        "print(json.dumps(f.quantiles.tolist()))\n"
    )
    direct = run_in(interpreter, program, str(checkpoints[kind]), values.tolist())
    forecast = await worker.forecast(batch_of(values), 64, LEVELS, 60.0)
    np.testing.assert_array_equal(forecast.quantiles, np.array(direct))


async def test_answer_is_the_librarys_on_standardised_data(
    worker: Worker, interpreter: Path, checkpoints: dict[str, Path], kind: str
):
    values = walk(512)
    standard = (values - values.mean()) / values.std()
    program = (
        "import json, sys\nimport torch\nfrom chronos import BaseChronosPipeline\n"
        "p = BaseChronosPipeline.from_pretrained(sys.argv[1], device_map='cpu',\n"
        "                                        dtype=torch.float32)\n"
        "x = torch.tensor(json.loads(sys.stdin.read()))\n"
        "q, _ = p.predict_quantiles([x[0]], prediction_length=64, quantile_levels=p.quantiles)\n"
        "q = q[0].reshape(64, -1).sort(dim=-1).values\n"
        "tenths = [p.quantiles.index(t / 10) for t in range(1, 10)]\n"
        "print(json.dumps(q[:, tenths].tolist()))\n"
    )
    library = run_in(interpreter, program, str(checkpoints[kind]), standard.tolist())
    forecast = await worker.forecast(batch_of(values), 64, NATIVE, 60.0)
    ours = (forecast.quantiles[0] - values.mean()) / values.std()
    np.testing.assert_allclose(ours, np.array(library), rtol=1e-4, atol=1e-4)


def run_in(interpreter: Path, program: str, checkpoint: str, data: list) -> object:
    variables = {"OMP_NUM_THREADS": "1", "HOME": os.environ["HOME"]}
    run = subprocess.run(
        [str(interpreter), "-I", "-c", program, checkpoint],
        input=json.dumps(data),
        capture_output=True,
        text=True,
        check=True,
        env=variables,
    )
    return json.loads(run.stdout.splitlines()[-1])


async def test_state_says_what_was_loaded(worker: Worker, checkpoints: dict[str, Path], kind: str):
    info = worker.state.info
    assert info.checkpoint == str(checkpoints[kind])
    assert info.device == "cpu"
    assert info.max_context == {"bolt": 2048, "chronos2": 8192}[kind]
    assert info.parameters > 10_000


async def test_hub_id_is_found_in_the_local_cache(
    start: Callable[..., Awaitable[Worker]],
    checkpoints: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """The production call, on a checkpoint laid out as the hub's cache lays it out."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    entry = tmp_path / "hub" / "models--amazon--chronos-bolt-small"
    (entry / "refs").mkdir(parents=True)
    (entry / "refs" / "main").write_text("0123abc")
    shutil.copytree(checkpoints["bolt"], entry / "snapshots" / "0123abc")
    worker = await start("")
    assert worker.state.phase is Phase.READY, worker.state.last_error
    assert worker.state.info.checkpoint == "amazon/chronos-bolt-small@0123abc"


async def test_missing_weights_say_what_brings_them(
    start: Callable[..., Awaitable[Worker]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    worker = await start("")
    assert worker.state.phase is Phase.BROKEN
    for words in (
        "does not hold amazon/chronos-bolt-small@main",
        "HF_HUB_OFFLINE forbids a download",
        "--checkpoint chronos=DIR",
        str(tmp_path),
    ):
        assert words in worker.state.last_error


@pytest.mark.parametrize(
    ("checkpoint", "words"),
    [("/nonexistent/weights", "there is no directory"), ("nonsense", "neither a directory nor")],
)
async def test_wrong_checkpoint_is_named(
    start: Callable[..., Awaitable[Worker]], checkpoint: str, words: str
):
    worker = await start(checkpoint)
    assert worker.state.phase is Phase.BROKEN
    assert words in worker.state.last_error


async def test_directory_without_weights_is_named(
    start: Callable[..., Awaitable[Worker]], checkpoints: dict[str, Path], tmp_path: Path
):
    (tmp_path / "half").mkdir()
    shutil.copy(checkpoints["bolt"] / "config.json", tmp_path / "half")
    worker = await start(tmp_path / "half")
    assert "lacks model.safetensors" in worker.state.last_error


async def test_incomplete_weights_are_refused(
    interpreter: Path, checkpoints: dict[str, Path], tmp_path: Path
):
    """The library fills missing input embeddings with random numbers and says nothing."""
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from safetensors.torch import load_file, save_file\n"
        "source, target = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "tensors = load_file(source / 'model.safetensors')\n"
        "del tensors['input_patch_embedding.hidden_layer.weight']\n"
        "save_file(tensors, target / 'model.safetensors', {'format': 'pt'})\n"
        "(target / 'config.json').write_text((source / 'config.json').read_text())\n"
        "from chronotick_chronos.worker import Chronos\n"
        "try:\n    Chronos().load(str(target), 'cpu', 1)\n"
        "except ValueError as error:\n    print(error)\n"
    )
    run = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this loop
        [str(interpreter), "-I", "-c", program, str(checkpoints["bolt"]), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is incomplete: 1 tensors, e.g. input_patch_embedding.hidden" in run.stdout
