"""``chronotick demo``: all of it in a minute, against known truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.numbers import ABOVE_ZERO, FALSE_SERVERS, SEED, SERVERS
from chronotick.cli.output import fail, interruptible, json_option, print_json, seconds, table

if TYPE_CHECKING:
    from chronotick.lab.demonstration import Sample


@click.command()
@click.option(
    "--seconds",
    "duration",
    type=ABOVE_ZERO,
    default=60.0,
    show_default=True,
    help="How long to run.",
)
@click.option(
    "--world", default="dc-hvac", show_default=True, help="Network and clock to simulate."
)
@click.option(
    "--servers",
    "count",
    type=SERVERS,
    default=4,
    show_default=True,
    help="Simulated time servers.",
)
@click.option(
    "--false",
    "liars",
    type=FALSE_SERVERS,
    default=1,
    show_default=True,
    help="How many of them are wrong.",
)
@click.option("--seed", type=SEED, default=1, show_default=True, help="Chance.")
@click.option("--models", default="kalman,line,hold", show_default=True, help="Models to fuse.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="MODEL=WEIGHTS",
    help="Weights of a model: a hub id or a directory. May be repeated.",
)
@json_option
@interruptible
def demo(
    *,
    duration: float,
    models: str,
    checkpoints: tuple[str, ...],
    as_json: bool,
    **world: Any,  # noqa: ANN401 - click's
) -> None:
    """Show corrected time, its bound and its TRUE error, live.

    Starts simulated time servers with known truth on loopback, a daemon that measures them with
    real NTP packets, and a reader. Nothing leaves this machine and no clock is changed.
    """
    import asyncio

    from chronotick.lab.demonstration import DemonstrationError
    from chronotick.lab.world import World

    try:
        described = World.from_preset(
            world["world"], servers=world["count"], false=world["liars"], seed=world["seed"]
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    options = ["--models", models, *(f"--checkpoint={weights}" for weights in checkpoints)]
    try:
        asyncio.run(_show(described, duration, options, as_json=as_json))
    except asyncio.CancelledError:  # SIGTERM, which by itself would leave the daemon behind
        raise click.exceptions.Exit(0) from None
    except (DemonstrationError, OSError) as error:
        fail(error)


@dataclass
class _Tally:
    """What the summary needs of all samples."""

    reads: int = 0
    violations: int = 0
    first_usable_s: float | None = None
    synchronised_s: float | None = None
    errors_ns: list[int] = field(default_factory=list)
    system_ns: int = 0
    statuses: Counter[str] = field(default_factory=Counter)

    def add(self, sample: Sample) -> None:
        from chronotick.shm.layout import Status

        self.reads += 1
        self.violations += sample.violated
        self.statuses[sample.status.name.lower()] += 1
        self.system_ns = sample.system_error_ns
        if self.first_usable_s is None:
            self.first_usable_s = sample.elapsed_s
        if sample.status is Status.SYNCHRONISED:
            self.errors_ns.append(abs(sample.error_ns))
            if self.synchronised_s is None:
                self.synchronised_s = sample.elapsed_s

    def result(self) -> dict[str, Any]:
        errors = sorted(self.errors_ns)
        return {
            "reads": self.reads,
            "bound_violations": self.violations,
            "first_time_s": self.first_usable_s,
            "synchronised_s": self.synchronised_s,
            "error_median_s": errors[len(errors) // 2] * 1e-9 if errors else None,
            "error_max_s": errors[-1] * 1e-9 if errors else None,
            "system_clock_error_s": self.system_ns * 1e-9,
        }


async def _show(world: Any, duration: float, options: list[str], *, as_json: bool) -> None:  # noqa: ANN401 - imported late
    import asyncio
    import signal

    from chronotick.lab.demonstration import demonstrate

    showing = asyncio.current_task()
    assert showing is not None  # noqa: S101 - this runs in it
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, showing.cancel)
    tally, shown_s = _Tally(), 0.0
    async with demonstrate(world, options) as demonstration:
        if not as_json:
            _introduce(demonstration.servers.addresses)
        async for sample in demonstration.samples(duration):
            tally.add(sample)
            if not as_json and sample.elapsed_s >= shown_s:
                click.echo(_line(sample))
                shown_s = sample.elapsed_s + 1.0
        status, sources, zoo = [await demonstration.ask(m) for m in ("status", "sources", "models")]
    if as_json:
        print_json({**tally.result(), "status": status, "sources": sources, "models": zoo})
    else:
        click.echo(_summary(tally.result(), sources, zoo))


def _introduce(addresses: tuple[str, ...]) -> None:
    click.echo(f"simulated servers on {', '.join(addresses)}; the daemon does not know the truth\n")
    click.echo(
        "   time  status        corrected time (UTC)           true error   hard bound    sigma"
    )


def _line(sample: Sample) -> str:
    from datetime import datetime, timezone

    whole, ns = divmod(sample.served_ns, 1_000_000_000)
    at = datetime.fromtimestamp(whole, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    return (
        f"{sample.elapsed_s:5.1f} s  {sample.status.words:12}  "
        f"{at}.{ns:09d}  {seconds(sample.error_ns * 1e-9, signed=True):>11}  "
        f"{seconds(sample.bound_ns * 1e-9):>10}  {seconds(sample.sigma_ns * 1e-9):>9}"
        f"{'  OUTSIDE' if sample.violated else ''}"
    )


def _summary(result: dict[str, Any], sources: list[dict[str, Any]], zoo: dict[str, Any]) -> str:
    held = "never outside the bound"
    if result["bound_violations"]:
        held = f"OUTSIDE the bound in {result['bound_violations']} reads"
    rows = [
        ["first time served", f"{seconds(result['first_time_s'])} after start"],
        ["synchronised", f"{seconds(result['synchronised_s'])} after start"],
        ["reads", f"{result['reads']}, true time {held}"],
        ["true error, median", f"{seconds(result['error_median_s'])} once synchronised"],
        ["true error, worst", f"{seconds(result['error_max_s'])} once synchronised"],
        ["system clock is off by", seconds(result["system_clock_error_s"], signed=True)],
    ]
    servers = [[s["reason"], s["id"], seconds(s["delay_s"]), s["reason_words"]] for s in sources]
    models = [[name, f"{m['weight']:.2f}", m["reason"]] for name, m in zoo.items()]
    return "\n\n".join(
        [
            "",
            table(rows, ("summary", "")),
            table(servers, ("", "server", "delay", "why")),
            table(models, ("model", "weight", "why")),
        ]
    )
