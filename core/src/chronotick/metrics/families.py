"""From what a metric tells to the client library's families of samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.core import Metric as Family

from chronotick.metrics.metric import Buckets, Kind, Labels, Metric, Told


def family(metric: Metric, told: Told) -> Family | None:
    """Return the samples of a metric; ``None`` where there are none."""
    if isinstance(told, Buckets):
        return _histogram(metric, told)
    known = _known(told)
    if not known:
        return None
    if metric.kind is Kind.INFO:
        return _info(metric, known)
    build = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    result = build(metric.name, metric.words, labels=metric.labels)
    for labels, value in known.items():
        result.add_metric(labels, value)
    return result


def _known(told: float | Mapping[Labels, float | None] | None) -> dict[Labels, float]:
    samples = told if isinstance(told, Mapping) else {(): told}
    return {
        labels: float(value)
        for labels, value in samples.items()
        if value is not None and math.isfinite(value)
    }


def _info(metric: Metric, known: Mapping[Labels, float]) -> Family:
    result = InfoMetricFamily(metric.name.removesuffix("_info"), metric.words)
    for labels in known:
        result.add_metric([], dict(zip(metric.labels, labels, strict=True)))
    return result


def _histogram(metric: Metric, told: Buckets) -> Family:
    ends = [*map(str, told.bounds), "+Inf"]
    heights = itertools.accumulate(told.counts)
    buckets = list(zip(ends, map(float, heights), strict=True))
    return HistogramMetricFamily(metric.name, metric.words, buckets=buckets, sum_value=told.total)
