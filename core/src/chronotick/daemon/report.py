"""What the control socket tells: snapshots of the daemon as JSON types. Reads, never changes."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from chronotick.clock import read_clocks
from chronotick.daemon import in_force
from chronotick.daemon.punctuality import punctuality, troubles
from chronotick.ntp import SourceReport
from chronotick.shm.clocks import raw_ns as raw_now_ns
from chronotick.shm.record import Record, bound_at, sigma_at, time_at

if TYPE_CHECKING:
    from chronotick.daemon.app import Daemon


class Reporter:
    """Describes a daemon.

    Args:
        daemon: the daemon.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._started_s = time.monotonic()
        self._version = version("chronotick")  # from a file: none may be left to open later

    @property
    def methods(self) -> Mapping[str, Callable[[], Any]]:
        """What can be asked for on the control socket."""
        return {
            "ping": lambda: "pong",
            "status": self.status,
            "sources": self.sources,
            "models": self.models,
            "configuration": self.configuration,
        }

    def status(self) -> dict[str, Any]:
        """The daemon at a glance."""
        daemon = self._daemon
        return {
            "version": self._version,
            "pid": os.getpid(),
            "configuration": str(daemon.path) if daemon.path else None,
            "daemon_uptime": round(time.monotonic() - self._started_s, 3),
            **self._state(),
            "status_since_s": (raw_now_ns() - daemon.clockwork.state.since_raw_ns) * 1e-9,
            "transitions": dict(daemon.clockwork.state.counts),
            "clock": self._clock(),
            "sources_believed": list(daemon.monitor.selected().survivors),
            "weights": self._weights(),
            "demoted": dict(daemon.clockwork.timekeeper.skill.demoted),
            "models": self._models_summary(),
            "success_rate": self._success_rate(),
            "avg_inference_time_ms": self._mean_latency_ms(),
            "average_latency_ms": self._mean_latency_ms(),
            "total_corrections": daemon.publisher.published,  # renewals correct nothing
            "publication": {
                "path": str(daemon.config.shm.path),
                "frequency_hz": daemon.config.shm.frequency,
                "published": daemon.publisher.published + daemon.publisher.renewed,
                "missed": daemon.publishing.missed,
                "lateness": daemon.publishing.lateness.report(),
            },
            "companions": daemon.companions.report(),
            "watchdog": daemon.pool_watchdog.report(),
            "control": {"refused": daemon.control.refused},
            "system_clock_steps": daemon.publisher.system_steps,
            "system_clock_rate_ppm": _ppm(daemon.publisher.system.rate),
            "bound_contradictions": daemon.clockwork.timekeeper.bound.contradictions,
            "history": daemon.memory.report(),
            "daemon_memory_mb": _memory_mb(),
            "cpu_affinity": sorted(os.sched_getaffinity(0)) if _HAS_AFFINITY else [],
            "problems": self._problems(),
        }

    def sources(self) -> list[dict[str, Any]]:
        """Every source and why it is used or not."""
        return [_source(report) for report in self._daemon.monitor.sources()]

    def models(self) -> dict[str, Any]:
        """Every model: what it does, what it is worth at each horizon, why it has its weight."""
        daemon = self._daemon
        skill: dict[str, list[dict[str, Any]]] = {}
        for row in daemon.clockwork.timekeeper.skill.table():
            skill.setdefault(row.pop("model"), []).append(row)
        members = (
            {m.model: m for m in daemon.clockwork.target.fused.members}
            if daemon.clockwork.target
            else {}
        )
        report = daemon.zoo.report()
        kept = punctuality(daemon.zoo, daemon.config)
        for name, entry in report.items():
            entry.update(kept.get(name, {}))
            member = members.get(name)
            entry["weight"] = member.weight if member else 0.0
            entry["reason"] = member.reason if member else _AWAITED
            entry["sigma_s"] = _finite(member.sigma_s) if member else None
            entry["sigma_from"] = member.sigma_from if member else None
            entry["skill"] = skill.get(name, [])
        return report

    def configuration(self) -> dict[str, Any]:
        """What the daemon runs with: file, variables and options as one, without any secret."""
        daemon = self._daemon
        return {
            "pid": os.getpid(),
            "uid": os.geteuid(),
            "path": str(daemon.path) if daemon.path else None,
            "file_read": daemon.file_read,
            "config": in_force.told(daemon.config),
        }

    def _state(self) -> dict[str, str]:
        state = self._daemon.clockwork.state
        return {"status": state.told.words, "reason": state.reason}

    def _clock(self) -> dict[str, Any] | None:
        record, target = self._daemon.publisher.record, self._daemon.clockwork.target
        if record is None or target is None:
            return None
        raw_ns = read_clocks().raw_ns
        newest = self._daemon.clockwork.timekeeper.newest_raw_ns
        calibration = self._daemon.clockwork.timekeeper.calibration
        return {
            **_time(record, raw_ns),
            "frequency_ppm": target.rate * 1e6,
            "measurements": record.measurements,
            "last_measurement_age_s": (raw_ns - newest) * 1e-9 if newest is not None else None,
            "coverage": calibration.coverage,
            "coverage_by_horizon": self._daemon.clockwork.timekeeper.coverage.table(),
            "confidence": calibration.confidence,
            "sigma_factor": calibration.factor,
            "epoch": record.epoch,
        }

    def _weights(self) -> dict[str, float]:
        target = self._daemon.clockwork.target
        return {m.model: m.weight for m in target.fused.members} if target else {}

    def _models_summary(self) -> dict[str, str]:
        return {name: entry["state"] for name, entry in self._daemon.zoo.report().items()}

    def _success_rate(self) -> float:
        """Share of forecasts asked for that were answered; 1 before the first."""
        entries = self._daemon.zoo.report().values()
        requests = sum(entry.get("requests", 0) for entry in entries)
        return sum(entry.get("answers", 0) for entry in entries) / requests if requests else 1.0

    def _mean_latency_ms(self) -> float:
        """Mean over the models of their median latency; 0 before the first forecast."""
        known = [entry.get("latency_median_ms") for entry in self._daemon.zoo.report().values()]
        latencies = [value for value in known if value is not None]
        return sum(latencies) / len(latencies) if latencies else 0.0

    def _problems(self) -> list[str]:
        daemon = self._daemon
        plugins = [f"plugin {p.name}: {p.error} {p.hint}" for p in daemon.plugins.problems]
        models = [
            f"model {name}: {entry['last_error']}"
            for name, entry in daemon.zoo.report().items()
            if entry.get("last_error") and (entry["state"] != "ready" or not entry.get("answers"))
        ]
        kept = punctuality(daemon.zoo, daemon.config)
        late = [f"model {name}: {told}" for name, told in troubles(kept)]
        late += [f"model {name}: {told}" for name, told in daemon.zoo.remarks.items()]
        late += [
            f"{name}: {told['problem']}"
            for name, told in daemon.companions.report().items()
            if told["problem"]
        ]
        watchdog, history = daemon.pool_watchdog.report(), daemon.memory.report()["problem"]
        worth = [daemon.authenticity.problem, watchdog["problem"] if watchdog else "", history]
        known = [problem for problem in worth if problem]
        return [*daemon.memory.messages, *known, *plugins, *models, *late]


_AWAITED = "no forecast yet: models are asked from the first measurement on, once they are ready"


def _ppm(rate: float | None) -> float | None:
    return None if rate is None else rate * 1e6


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _time(record: Record, raw_ns: int) -> dict[str, Any]:
    return {
        "utc_ns": time_at(record, raw_ns),
        "system_minus_utc_s": record.system_minus_utc_ns * 1e-9,
        "bound_s": bound_at(record, raw_ns) * 1e-9,
        "sigma_s": sigma_at(record, raw_ns) * 1e-9,
    }


def _source(report: SourceReport) -> dict[str, Any]:
    return {
        "reason": report.reason.value,
        "reason_words": report.reason.words,
        "id": report.id,
        "name": report.name,
        "stratum": report.stratum,
        "reference_id": report.reference_id,
        "poll_s": report.poll_s,
        "reach": f"{report.reach:o}",
        "age_s": report.age_s,
        "system_offset_s": _seconds(report.system_offset_ns),
        "delay_s": _seconds(report.delay_ns),
        "jitter_s": _seconds(report.jitter_ns),
        "root_distance_s": _seconds(report.root_distance_ns),
        "stamps": report.stamps.value if report.stamps else None,
        "authenticated": report.authenticated,
        "drops": dict(report.drops),
        "last_error": report.last_error,
    }


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns * 1e-9


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")


def _memory_mb() -> float | None:
    """Resident memory of this process in MiB; ``None`` without /proc."""
    try:
        with open("/proc/self/statm") as statm:  # noqa: PTH123 - read at every status request
            pages = int(statm.read().split()[1])
    except OSError:
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
