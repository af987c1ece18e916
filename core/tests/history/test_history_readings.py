"""What was served is remembered, and can be read by others while the daemon writes."""

import sqlite3
from pathlib import Path

import pytest

from chronotick.history import History, Reading, boot_id, open_history, reading, tables
from chronotick.history.queries import readings_between, transitions_between
from chronotick.history.retention import delete_aged

EPOCH_NS = 1_800_000_000 * 10**9


def served(number: int, **changes: object) -> Reading:
    values = {
        "raw_ns": number * 10**9,
        "unix_ns": EPOCH_NS + number * 10**9,
        "status": "synchronised",
        "system_minus_utc_ns": -1234,
        "bound_ns": 1000 + number,
        "sigma_ns": 50,
        "frequency": -2.7e-5,
        "coverage": 0.953,
        "weights": {"kalman": 0.75, "ttm": 0.25},
    }
    return Reading(**{**values, **changes})


def between(path: Path, start: int, end: int, step_s: int = 0) -> list[Reading]:
    with reading(path) as connection:
        window = (EPOCH_NS + start * 10**9, EPOCH_NS + end * 10**9)
        return readings_between(connection, *window, max(1, step_s * 10**9))


def test_a_reading_comes_back_as_it_was(history: History, path: Path):
    history.add_reading(served(7))
    assert history.flush()
    (found,) = between(path, 0, 100)
    assert found == served(7, boot_id=boot_id())


def test_the_stretch_includes_its_beginning_and_not_its_end(history: History, path: Path):
    for number in range(5):
        history.add_reading(served(number))
    assert history.flush()
    assert [each.raw_ns for each in between(path, 1, 3)] == [10**9, 2 * 10**9]


def test_of_many_readings_those_with_the_widest_bounds_are_told(history: History, path: Path):
    for number, bound_ns in enumerate((10, 900, 20, 30, 40, 800)):
        history.add_reading(served(number, bound_ns=bound_ns))
    assert history.flush()
    thinned = between(path, 0, 6, step_s=3)
    assert [each.bound_ns for each in thinned] == [900, 800]
    assert [each.raw_ns for each in thinned] == [10**9, 5 * 10**9]


def test_damaged_rows_are_left_out(history: History, path: Path):
    history.add_reading(served(1))
    history.add_reading(served(2))
    assert history.flush()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE readings SET weights = '{' WHERE raw_ns = ?", (10**9,))
    connection.close()
    assert [each.raw_ns for each in between(path, 0, 9)] == [2 * 10**9]


def test_old_readings_are_deleted_with_the_rest(history: History, path: Path, measurement):
    history.add_measurement(measurement(40 * 86_400), selected=True)
    history.add_reading(served(0))
    history.add_reading(served(39 * 86_400))
    assert history.flush()
    with sqlite3.connect(path) as connection:
        assert delete_aged(connection, 30) == 1
    connection.close()
    assert [each.raw_ns for each in between(path, 0, 41 * 86_400)] == [39 * 86_400 * 10**9]


def test_transitions_of_a_stretch(history: History, path: Path):
    for number in range(3):
        history.add_transition(
            raw_ns=number, unix_ns=EPOCH_NS + number, before="a", after="b", reason=str(number)
        )
    assert history.flush()
    with reading(path) as connection:
        found = transitions_between(connection, EPOCH_NS + 1, EPOCH_NS + 2)
    assert [each.reason for each in found] == ["1"]


@pytest.mark.parametrize("version", range(1, tables.VERSION))
def test_a_database_of_an_earlier_version_gets_the_tables(
    path: Path, monkeypatch: pytest.MonkeyPatch, measurement, version: int
):
    with monkeypatch.context() as earlier:
        earlier.setattr(tables, "_MIGRATIONS", tables._MIGRATIONS[:version])
        earlier.setattr(tables, "VERSION", version)
        with open_history(path, 30).history as history:
            history.add_measurement(measurement(1), selected=True)
    opened = open_history(path, 30)
    assert opened.messages == ()
    with opened.history as history:
        assert history.counts()["measurements"] == 1
        history.add_reading(served(3))
        history.save_part("watchdog", {})
        assert history.flush()
        assert history.load_part("watchdog") == {}
    assert [each.raw_ns for each in between(path, 0, 9)] == [3 * 10**9]
