"""What weights that were trained on clocks are worth: ``python examples/study/weights.py``.

It simulates 30 hosts of seeds that no training has seen, trains the ablations, compares everything
on these hosts and on recorded ones, replays days with outages with and without the models, and
writes the page. What is there already is not computed again.
"""
# ruff: noqa: INP001 - a program, not a package

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pandas as pd
from study import HORIZONS_S, random_weights, told
from weights_fused import fused
from weights_recorded import recorded_ratios
from weights_tables import Measured, claims, facts, ratios, tables
from writing import page

from chronotick.config import load
from chronotick.lab import Comparison, Simulation, compare, write
from chronotick.lab.comparing import Preparation, Settings

NETWORKS = ("dc", "wans", "wifi")
STRUCTURED, PLAIN = ("hvac", "hvacs", "load"), ("calm", "rough")
DRAWS = (1, 2)
FIRST_SEED = 700_101  # trainings draw from other streams
DURATION_S = 24 * 3600.0
REAL = ("chameleon_uc_freerun_24h_1s", "networktime_2012may_1024s", "tacc_freerun_2s_first5h")

OWN = {"chronos": "chronotick_chronos:clocks", "ttm": "chronotick_ttm:clocks"}
ABLATIONS: Mapping[str, tuple[str, ...]] = {
    "short": (),
    "no-cycles": ("prior.cycles=false",),
    "no-filter": ("prior.filter=false",),
    "small": ("model.d_model=48", "model.decoder_d_model=32"),
}
SHORTER = ("training.steps=320", "training.validate_every=160")
"""Ablations are of TinyTimeMixer, with a third of its steps; ``short`` changes nothing else."""
TEMPLATE = Path(__file__).with_name("weights.md")


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("weights-study"), show_default=True
)
@click.option("--page", "wanted", type=click.Path(path_type=Path), help="Default: OUT/weights.md.")
@click.option(
    "--real",
    type=click.Path(path_type=Path, exists=True),
    help="Directory of recorded traces; without, those tables are left out.",
)
@click.option(
    "--checkpoint",
    "hub",
    multiple=True,
    metavar="MODEL=WEIGHTS",
    help="Add other weights of a model, a hub id for instance. May be repeated.",
)
def study(*, out: Path, wanted: Path | None, real: Path | None, hub: tuple[str, ...]) -> None:
    """Simulate, train, compare, replay, and write the page."""
    worlds = simulated(out / "worlds")
    sets = weights(out) | ({"hub": dict(each.split("=", 1) for each in hub)} if hub else {})
    simulation = compared(sets, str(worlds), out / "results")
    recorded = pd.DataFrame()
    if real is not None:
        files = [str(real / f"{name}.csv.gz") for name in REAL]
        recorded = recorded_ratios(run(OWN, files, out / "recorded").rows)
    measured = Measured(
        simulation=simulation.assign(structured=simulation["clock"].isin(STRUCTURED)),
        scores=run(OWN, str(worlds), out / "results").scores("truth"),
        recorded=recorded,
        replayed=pd.concat([fused(worlds / name, out / "replayed") for name, _ in names()]),
    )
    known = facts(measured)
    known |= {"worlds": len(list(names()))}
    known |= {"real": real is not None, "hub": bool(hub), "no_hub": not hub}
    place = wanted or out / "weights.md"
    text = page(
        TEMPLATE,
        known,
        tables(measured),
        [words for words, holds in claims(known) if not holds],
    )
    place.write_text(text, encoding="utf-8")
    click.echo(place)


def names() -> Iterator[tuple[str, int]]:
    """Each world's name and seed."""
    kinds = [f"{net}-{clock}" for net in NETWORKS for clock in (*STRUCTURED, *PLAIN)]
    for number, (kind, draw) in enumerate((kind, draw) for kind in kinds for draw in DRAWS):
        yield f"{kind}-{draw}", FIRST_SEED + number


def simulated(directory: Path) -> Path:
    """Write all worlds that are not there yet, and return their directory."""
    for name, seed in names():
        if not (directory / name / "world.json").exists():
            world = Simulation.named(name.rpartition("-")[0], seed=seed)
            day = world.model_copy(update={"duration_s": DURATION_S})
            write(day, directory / name, force=True)
    return directory


def weights(out: Path) -> dict[str, dict[str, str]]:
    """Sets of weights by name, each a checkpoint for some models; ablations are trained."""
    random = {model: str(random_weights(model, out)) for model in OWN}
    ablations = {name: {"ttm": str(trained(name, out))} for name in ABLATIONS}
    return {"own": OWN, "random": random} | ablations


def trained(name: str, out: Path) -> Path:
    """The directory of an ablation's weights; a training that was interrupted goes on."""
    directory = out.absolute() / "ablations" / name
    begun = (directory / "training-state.pt").exists()
    if begun or not (directory / "model.safetensors").exists():
        changes = [word for each in (*SHORTER, *ABLATIONS[name]) for word in ("--set", each)]
        command = ["-m", "chronotick", "lab", "train", "ttm", "--out", str(directory), *changes]
        again = ["--resume"] if begun else []
        subprocess.run([sys.executable, *command, "--threads", "1", *again], check=True)
    return directory


def compared(sets: Mapping[str, Mapping[str, str]], traces: str, out: Path) -> pd.DataFrame:
    """Errors over those of the estimator, of all sets of weights; see :func:`ratios`."""
    return pd.concat(
        ratios(run(chosen, traces, out).scores("truth")).assign(weights=name)
        for name, chosen in sets.items()
    )


def run(chosen: Mapping[str, str], traces: str | list[str], out: Path) -> Comparison:
    """Compare one set of weights; the results of all calls share a directory."""
    loaded = load(None, os.environ, {"workers.checkpoints": dict(chosen)})
    preparation = Preparation(horizons_s=HORIZONS_S, clock=loaded.config.clock)
    settings = Settings(preparation=preparation, workers=loaded.config.workers)
    return compare([*chosen], traces, out, settings=settings, watch=told())


if __name__ == "__main__":
    study()
