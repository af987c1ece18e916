"""What the daemon says of itself and its clock: the answer to ``status``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from chronotick.metrics.metric import Buckets, Kind, Labels, Metric, Told, counter, gauge
from chronotick.shm.layout import Status

Answer: TypeAlias = Mapping[str, Any]
MIB = 2**20


def _of(*keys: str) -> Callable[[Answer], Told]:
    """Read what stands at a path."""

    def read(answer: Answer) -> Told:
        found: Any = answer
        for key in keys:
            found = found[key]
        told: Told = found
        return told

    return read


def _of_clock(key: str, scale: float = 1.0) -> Callable[[Answer], Told]:
    """Read a number of the clock, which there is not before the first measurement."""

    def read(answer: Answer) -> Told:
        value = answer["clock"][key] if answer["clock"] else None
        return None if value is None else value * scale

    return read


def _by_horizon(key: str) -> Callable[[Answer], Told]:
    def read(answer: Answer) -> Told:
        rows = answer["clock"]["coverage_by_horizon"] if answer["clock"] else ()
        return {(f"{row['horizon_s']:g}",): row[key] for row in rows}

    return read


def _of_companions(key: str) -> Callable[[Answer], Told]:
    return lambda answer: {(name,): told[key] for name, told in answer["companions"].items()}


def _of_watchdog(key: str) -> Callable[[Answer], Told]:
    """Read a number of the watchdog, which most daemons do not run."""

    def read(answer: Answer) -> Told:
        found: Told = (answer.get("watchdog") or {}).get(key)
        return found

    return read


def _watchdog_samples(answer: Answer) -> Told:
    watchdog = answer.get("watchdog")
    return {(verdict,): n for verdict, n in watchdog["samples"].items()} if watchdog else None


def _holdover_s(answer: Answer) -> float:
    in_holdover = answer["status"] == Status.HOLDOVER.words
    return float(answer["status_since_s"]) if in_holdover else 0.0


def _transitions(answer: Answer) -> Mapping[Labels, float]:
    counts = answer["transitions"]
    return {(status.words,): counts.get(status.name.lower(), 0) for status in Status}


def _lateness(answer: Answer) -> Buckets:
    told = answer["publication"]["lateness"]
    return Buckets(told["bounds_s"], told["counts"], told["sum_s"])


def _memory_bytes(answer: Answer) -> float | None:
    mebibytes = answer["daemon_memory_mb"]
    return None if mebibytes is None else mebibytes * MIB


METRICS: tuple[Metric, ...] = (
    Metric(
        "chronotick_build_info",
        Kind.INFO,
        "1, with the version of the daemon that runs.",
        lambda answer: {(answer["version"],): 1},
        ("version",),
    ),
    gauge("chronotick_uptime_seconds", "How long the daemon has run.", _of("daemon_uptime")),
    gauge(
        "chronotick_daemon_memory_bytes",
        "Resident memory of the daemon, workers not included.",
        _memory_bytes,
    ),
    gauge(
        "chronotick_problems",
        "Problems that `chronotick status` lists.",
        lambda answer: len(answer["problems"]),
    ),
    gauge(
        "chronotick_holdover_seconds",
        "How long the daemon has been in holdover; 0 while it is not.",
        _holdover_s,
    ),
    counter(
        "chronotick_status_transitions_total",
        "Changes of state, by the state that was entered.",
        _transitions,
        "state",
    ),
    gauge(
        "chronotick_frequency_ratio",
        "Estimated rate of UTC against CLOCK_MONOTONIC_RAW, less 1: 1e-6 is 1 ppm.",
        _of_clock("frequency_ppm", 1e-6),
    ),
    gauge(
        "chronotick_coverage_ratio",
        "Share of measurements inside the 95 % interval that was predicted for them.",
        _of_clock("coverage"),
    ),
    gauge(
        "chronotick_sigma_factor",
        "What calibration multiplies the estimator's sigma by.",
        _of_clock("sigma_factor"),
    ),
    gauge(
        "chronotick_horizon_coverage_ratio",
        "Share of measurements inside the 95 % interval of a forecast so many seconds ahead.",
        _by_horizon("coverage"),
        "horizon_seconds",
    ),
    gauge(
        "chronotick_horizon_judgements",
        "About how many independent judgements that coverage comes from; old ones fade.",
        _by_horizon("judgements"),
        "horizon_seconds",
    ),
    gauge(
        "chronotick_horizon_sigma_factor",
        "What calibration multiplies sigma by, so many seconds ahead.",
        _by_horizon("factor"),
        "horizon_seconds",
    ),
    counter(
        "chronotick_publications_total",
        "Records published or renewed.",
        _of("publication", "published"),
    ),
    counter(
        "chronotick_publication_missed_total",
        "Publications left out because their time had passed.",
        _of("publication", "missed"),
    ),
    Metric(
        "chronotick_publication_lateness_seconds",
        Kind.HISTOGRAM,
        "How late publications began.",
        _lateness,
    ),
    counter(
        "chronotick_system_clock_steps_total",
        "Jumps of the system clock that no slewing explains.",
        _of("system_clock_steps"),
    ),
    counter(
        "chronotick_bound_contradictions_total",
        "Measurements that contradict what their own server said before, drift allowed for.",
        _of("bound_contradictions"),
    ),
    gauge(
        "chronotick_history_pending_rows",
        "Rows of the history that wait in memory.",
        _of("history", "pending"),
    ),
    counter(
        "chronotick_history_dropped_rows_total",
        "Rows of the history that were given up.",
        _of("history", "dropped"),
    ),
    gauge(
        "chronotick_history_problem",
        "1: nothing can be written into the history now.",
        lambda answer: bool(answer["history"]["problem"]),
    ),
    gauge(
        "chronotick_companion_running",
        "1: a program that the daemon keeps beside it runs; 0: it has ended.",
        _of_companions("running"),
        "companion",
    ),
    counter(
        "chronotick_companion_restarts_total",
        "How often a program beside the daemon was started again.",
        _of_companions("restarts"),
        "companion",
    ),
    gauge(
        "chronotick_watchdog_alarm",
        "1: the watchdog's whole pool contradicts served time; 0: it does not.",
        _of_watchdog("alarm"),
    ),
    counter(
        "chronotick_watchdog_alarms_total",
        "How often the watchdog's pool began to contradict served time.",
        _of_watchdog("alarms"),
    ),
    gauge(
        "chronotick_watchdog_offset_seconds",
        "The watchdog's newest sample, mean of its middle third, minus served time.",
        _of_watchdog("offset_s"),
    ),
    gauge(
        "chronotick_watchdog_age_seconds",
        "Age of that sample.",
        _of_watchdog("age_s"),
    ),
    gauge(
        "chronotick_watchdog_pool_servers",
        "Servers in the watchdog's pool.",
        _of_watchdog("pool"),
    ),
    counter(
        "chronotick_watchdog_samples_total",
        "Samples that the watchdog took, by what came of them.",
        _watchdog_samples,
        "verdict",
    ),
    counter(
        "chronotick_watchdog_panics_total",
        "How often the watchdog asked its whole pool.",
        _of_watchdog("panics"),
    ),
)
