"""Keys of earlier prototypes' documents that have no place any more, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping

_ALWAYS = "Remove it: servers are always asked in parallel and asked again at the next poll"
_DELAY = "Remove it: samples are weighted by their delay, which needs no threshold"
_SKILL = "Remove it: weights follow each model's measured error (fusion.method, fusion.min_scores)"
_CONTEXT = "Remove it: contexts are measurements only, prepared by the estimator"
_COVARIATES = (
    "Remove it: temperature and load are read by themselves, models that can use them get them"
)
_TELEMETRY = "Remove it: `chronotick status` shows it, logging.level DEBUG logs it"

RETIRED: Mapping[str, str] = {
    "clock.frequency_type": "Remove it: models that need a sampling rate get it from `step`",
    "clock.frequency_code": "Remove it: models that need a sampling rate get it from `step`",
    "clock_measurement.ntp.measurement_mode": _DELAY,
    "clock_measurement.ntp.outlier_window_size": _DELAY,
    "clock_measurement.ntp.outlier_sigma_threshold": _DELAY,
    "clock_measurement.ntp.parallel_queries": _ALWAYS,
    "clock_measurement.ntp.max_workers": _ALWAYS,
    "clock_measurement.ntp.enable_fallback": _ALWAYS,
    "clock_measurement.ntp.max_retries": _ALWAYS,
    "clock_measurement.ntp.retry_delay": _ALWAYS,
    **{
        f"{loop}.{key}": advice
        for loop in ("short_term", "long_term")
        for key, advice in {
            "max_uncertainty": "Remove it: uncertainty is calibrated on this host's errors",
            "use_covariates": _COVARIATES,
            "model_params": "Use workers.checkpoints to choose weights",
        }.items()
    },
    "fusion.fallback_weights": _SKILL,
    "fusion.uncertainty_threshold": _SKILL,
    "fusion.adaptive_weighting": _SKILL,
    "fusion.confidence_threshold": _SKILL,
    "fusion.temporal_decay": _SKILL,
    "preprocessing": _CONTEXT,
    "covariates": _COVARIATES,
    "performance": "Use workers.memory_limit_mb, workers.threads and "
    "short_term/long_term.timeout_seconds",
    "prediction_scheduling": "Use short_term and long_term: inference_interval, "
    "prediction_horizon, step. Corrections, caps and smoothing are the estimator's work",
    "logging.log_predictions": _TELEMETRY,
    "logging.log_uncertainty": _TELEMETRY,
    "logging.log_fusion_weights": _TELEMETRY,
    "backup_models": "Use several names in short_term.models and long_term.models",
    "high_availability": "Remove it: a worker that dies is restarted, the clock goes on",
    "monitoring": _TELEMETRY,
}
