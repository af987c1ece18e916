"""What exactly was compared: models, traces, runs; with the names of their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chronotick.lab.reporting.findings import Findings
from chronotick.lab.reporting.quantities import UNKNOWN, count, lead, number, size
from chronotick.lab.reporting.tables import Cell, Table, cell

MODEL_KEYS: Final = {
    "plugin": "plugin",
    "version": "version",
    "environment": "environment (lock)",
    "weights": "weights",
    "checkpoint": "checkpoint",
    "weights_sha256": "sha256 of weights",
    "parameters": "parameters",
    "device": "device",
    "ran_on": "ran on",
    "threads": "threads",
    "batch": "largest batch",
    "windows": "windows",
    "windows_per_s": "windows/s",
    "peak_memory_bytes": "peak memory",
    "licence": "licence",
    "trained_on": "trained on",
}
"""Keys of a model's identity that have a title of their own; others are shown by their name."""
_SILENT: Final = frozenset({"model", "name"})  # they are the row's name
_MOST: Final = 400  # characters of a fact
_PLACES: Final = frozenset({"weights", "checkpoint"})
_HASH: Final = 12  # characters of a hash that are shown
_LONG: Final = 40  # characters from which hexadecimal is a hash


def models_table(findings: Findings) -> Table:
    """Return the identity of each model."""
    models = findings.compared.models
    present = {
        key: None
        for identity in models.values()
        for key, value in identity.items()
        if key not in _SILENT and value not in (None, "", [])
    }
    keys = [key for key in MODEL_KEYS if key in present]
    keys += [key for key in present if key not in MODEL_KEYS]
    return Table(
        caption="What exactly each model is; hashes and places of weights are shortened here, "
        "run.json has them in full.",
        columns=("model", *(MODEL_KEYS.get(key, key) for key in keys)),
        rows=[
            [cell(str(model)), *(_identity_cell(key, identity.get(key)) for key in keys)]
            for model, identity in models.items()
        ],
    )


def traces_table(findings: Findings) -> Table:
    """Return what each trace is."""
    windows = findings.counts.windows
    return Table(
        caption="Traces; the hash is of their values, not of the file.",
        columns=(
            "trace",
            "host",
            "kind",
            "unit",
            "cadence",
            "windows",
            "sha256",
            "path",
            "noticed",
        ),
        rows=[
            [
                cell(str(trace.get("name", ""))),
                cell(str(trace.get("host", ""))),
                cell(str(trace.get("kind", ""))),
                cell(str(trace.get("unit", ""))),
                _cadence(trace.get("cadence_s")),
                _windows(windows.get(str(trace.get("name", "")))),
                _identity_cell("digest", trace.get("digest")),
                cell(str(trace.get("path", ""))),
                cell("; ".join(map(str, trace.get("notes") or ()))),
            ]
            for trace in findings.compared.traces
        ],
        numeric=frozenset({"cadence", "windows"}),
    )


def problems_told(findings: Findings) -> list[Any]:
    """Return the problems that the table of failures does not tell already."""
    table = findings.failures[["model", "reason"]].drop_duplicates()
    failures = {f"{model}: {reason}" for model, reason in table.itertuples(index=False)}
    return [
        problem
        for problem in findings.compared.problems
        if _is_of_trace(problem) or _of(problem, "reason") not in failures
    ]


def left_out_table(findings: Findings) -> Table | None:
    """Return the traces that were left out, and why; nothing if all were used."""
    told = [
        [cell(_of(problem, name) or UNKNOWN) for name in ("name", "path", "reason")]
        for problem in problems_told(findings)
        if _is_of_trace(problem)
    ]
    if not told:
        return None
    return Table(caption="Left out.", columns=("trace", "path", "reason"), rows=told)


def other_problems(findings: Findings) -> list[str]:
    """Return what went wrong beside forecasts and traces, in sentences."""
    return [_of(each, "reason") for each in problems_told(findings) if not _is_of_trace(each)]


def _is_of_trace(problem: Any) -> bool:  # noqa: ANN401 - a mapping or an object
    return bool(_of(problem, "name") or _of(problem, "path"))


def run_facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is known of a run as pairs of name and text, without its command."""
    left_out = {"command", "traces", "models", "problems", "jobs"}  # told elsewhere
    return [
        (key, text if len(text) <= _MOST else f"{text[:_MOST]} ...")
        for key, value in run.items()
        if key not in left_out and (text := words(value))
    ]


def command_of(run: Mapping[str, Any]) -> str:
    """Return the command of a run as one line of a shell."""
    import shlex

    command = run.get("command", "")
    if isinstance(command, str):
        return command
    return shlex.join(map(str, command))


def words(value: Any) -> str:  # noqa: ANN401 - any JSON type
    """Return any JSON value as text for people."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        told = ((key, _within(each)) for key, each in value.items())
        return "; ".join(f"{key}: {text}" for key, text in told if text)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_within, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _within(value: Any) -> str:  # noqa: ANN401 - any JSON type
    """The same inside of another value."""
    text = words(value)
    return f"({text})" if text and isinstance(value, Mapping) else text


def _of(problem: Any, name: str) -> str:  # noqa: ANN401 - a mapping or an object
    if isinstance(problem, Mapping):
        return str(problem.get(name, ""))
    return str(getattr(problem, name, ""))


def _identity_cell(key: str, value: Any) -> Cell:  # noqa: ANN401 - any JSON type
    if value is None or value == "":
        return cell(UNKNOWN)
    if key == "peak_memory_bytes":
        return cell(size(float(value)) if value else UNKNOWN, float(value))
    if key in _PLACES:
        return _place_cell(words(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return cell(count(value) if isinstance(value, int) else number(value), float(value))
    text = words(value)
    if len(text) >= _LONG and all(character in "0123456789abcdef" for character in text):
        return cell(text[:_HASH], text, more=text)
    return cell(text or UNKNOWN)


def _place_cell(text: str) -> Cell:
    """The last part of a path or of a hub's id, its revision shortened; all of it on hovering."""
    last = text.rstrip("/").rpartition("/")[2]
    name, at, revision = last.partition("@")
    shown = f"{name}{at}{revision[:_HASH]}"
    return cell(shown, text, more=text if shown != text else "")


def _cadence(value: float | None) -> Cell:
    return cell(UNKNOWN, float("nan")) if value is None else cell(lead(float(value)), float(value))


def _windows(value: float | None) -> Cell:
    return cell("0", 0.0) if value is None else cell(str(int(value)), float(value))
