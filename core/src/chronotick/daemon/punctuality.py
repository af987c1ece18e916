"""How well models keep up, as JSON types: latencies, how often they are really asked, advice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chronotick.config.schema import Config, Predictor
from chronotick.daemon.advice import Case, advice
from chronotick.daemon.ledger import Ledger, Page, median, p90
from chronotick.daemon.zoo import Book, Zoo, names

REPORT: Final = "It is tried again; please report what the log says of it"


def punctuality(zoo: Zoo, config: Config) -> dict[str, dict[str, Any]]:
    """Describe every model that was started, by name.

    Latencies are those of the last answers, late ones included; intervals are those between the
    last questions.
    """
    now_s = time.monotonic()
    return {name: _model(book, config, now_s) for name, book in zoo.books.items()}


def troubles(kept: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Name and trouble of every model that cannot keep up, or cannot be asked.

    Args:
        kept: as :func:`punctuality` returns it.
    """
    for name, entry in kept.items():
        for loop, page in entry["loops"].items():
            if page["mistake"]:
                yield name, f"{loop}: not asked, by a mistake of ours ({page['mistake']}). {REPORT}"
        yield from ((name, told) for told in entry["advice"])


def _model(book: Book, config: Config, now_s: float) -> dict[str, Any]:
    cases = _cases(book, config)
    return _latencies(book.ledger) | {
        "loops": {case.loop: _loop(case.page, case.terms, now_s) for case in cases},
        "advice": [told for case in cases if (told := advice(case))],
    }


def _cases(book: Book, config: Config) -> list[Case]:
    name = book.spec.name
    loops = (("short_term", config.short_term), ("long_term", config.long_term))
    return [
        Case(
            spec=book.spec,
            info=book.info,
            loop=loop,
            terms=predictor.for_model(name),
            workers=config.workers.for_model(name),
            page=book.ledger.page(loop),
            elsewhere=name in config.workers.remote,
        )
        for loop, predictor in loops
        if name in names(predictor)
    ]


def _latencies(ledger: Ledger) -> dict[str, float | None]:
    latencies_s = ledger.latencies_s()
    return {
        "latency_median_ms": _milliseconds(median(latencies_s)),
        "latency_p90_ms": _milliseconds(p90(latencies_s)),
    }


def _loop(page: Page, terms: Predictor, now_s: float) -> dict[str, Any]:
    return {
        "interval_s": terms.inference_interval,
        "effective_interval_s": _rounded(page.interval_s(now_s)),
        "last_forecast_age_s": _rounded(page.age_s(now_s)),
        "timeout_s": terms.timeout_seconds,
        "deadline_misses": page.misses,
        "mistake": page.mistake,
        "latency_median_ms": _milliseconds(median(page.latencies_s)),
        "latency_p90_ms": _milliseconds(p90(page.latencies_s)),
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
