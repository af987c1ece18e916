"""What ``chronotick lab replay`` does with the debug trace of a daemon, beside replaying it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import seconds, wrapped

if TYPE_CHECKING:
    from chronotick.config import Loaded
    from chronotick.lab.recordings import Recording
    from chronotick.lab.replaying import Agreement, TracedRecording

# What a replay goes by. The rest is about the daemon's own machine, which this need not be.
SECTIONS = ("clock_measurement", "clock", "short_term", "long_term", "fusion", "shm", "workers")


def read(path: str, *, boot: str | None, max_error_s: float | None) -> Recording:
    """Read recorded measurements, whatever wrote them: a daemon's debug trace too.

    Raises:
        RecordingError: it cannot be read, or holds what cannot be true.
    """
    from chronotick.lab.recordings import RecordingError, read_recording
    from chronotick.lab.replaying import is_trace, read_trace

    if not is_trace(path):
        return read_recording(path, boot=boot, max_error_s=max_error_s)
    for option, value in (("--boot", boot), ("--max-error", max_error_s)):
        if value is not None:
            raise RecordingError(path, f"is a debug trace: {option} has no meaning")
    return read_trace(path)


def configuration_of(trace: TracedRecording, overrides: dict[str, object]) -> Loaded:
    """Load the configuration that a trace was made with.

    Args:
        trace: it.
        overrides: values of command-line options by dotted key; ``None``: not given.

    Raises:
        ConfigError: it is not one of this version, or the options do not fit it.
    """
    import os
    from pathlib import Path

    from chronotick.config import load

    traced = {name: trace.config[name] for name in SECTIONS if name in trace.config}
    # An empty file, and no environment: nothing of this machine's is to come in between.
    return load(Path(os.devnull), {}, traced | overrides)


def show_agreement(agreement: Agreement | None) -> None:
    """Say how far the replay is from what the daemon found; ``None``: nothing was compared."""
    if agreement is None:
        return
    worst, median = (
        seconds(each * 1e-9) for each in (agreement.offset_max_ns, agreement.offset_median_ns)
    )
    words = (
        f"against the daemon's own {agreement.plans} plans: estimates differ by {median} in the "
        f"median, {worst} at most; sigma by {agreement.sigma_max:.2%}, bound by "
        f"{seconds(agreement.bound_max_ns * 1e-9)} and weights by {agreement.weight_max:.4f} at "
        f"most; the status is the same in {agreement.same_status:.1%}"
    )
    click.echo(wrapped(words, 2), err=True)


def report_of_agreement(agreement: Agreement | None) -> dict[str, Any]:
    """The same as JSON types."""
    from dataclasses import asdict

    return {} if agreement is None else {"daemon": asdict(agreement)}
