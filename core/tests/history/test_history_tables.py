"""Databases of earlier versions become the present one, whole or not at all."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.history import open_history, tables
from chronotick.history.connect import connect
from chronotick.ntp.measurement import Measurement


@pytest.fixture
def filled(path: Path, measurement: Callable[..., Measurement]) -> Path:
    with open_history(path, 30).history as history:
        history.add_measurement(measurement(1), selected=True)
    return path


def _next_version(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(tables, "_MIGRATIONS", (*tables._MIGRATIONS, script))
    monkeypatch.setattr(tables, "VERSION", tables.VERSION + 1)


def test_an_older_database_is_brought_up_to_date_with_its_rows(
    filled: Path, monkeypatch: pytest.MonkeyPatch
):
    _next_version(monkeypatch, "ALTER TABLE measurements ADD COLUMN smeared INTEGER DEFAULT 0;")
    connection = connect(filled)
    assert connection.execute("PRAGMA user_version").fetchone() == (tables.VERSION,)
    assert connection.execute("SELECT id, smeared FROM measurements").fetchall() == [(1, 0)]
    connection.close()


def test_a_migration_that_fails_half_way_changes_nothing(
    filled: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as broken:
        _next_version(broken, "DROP TABLE forecasts; SELECT nonsense FROM nowhere;")
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            connect(filled)
    opened = open_history(filled, 30)
    with opened.history as history:
        assert opened.messages == ()
        assert history.counts()["measurements"] == 1


def test_every_table_is_made_by_the_migrations(filled: Path):
    connection = connect(filled)
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    assert {name for (name,) in rows} == set(tables.TABLES)
    connection.close()
