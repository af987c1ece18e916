"""Old rows go, young ones stay, whatever the system clock says."""

from collections.abc import Callable
from pathlib import Path

from chronotick.history import History, boot_id, open_history
from chronotick.history.connect import connect
from chronotick.history.retention import delete_aged
from chronotick.ntp.measurement import Measurement

DAY_NS = 86_400 * 10**9
Make = Callable[..., Measurement]


def _fill(history: History, measurement: Make, days: range, *, selected: bool = True) -> None:
    for day in days:
        history.add_measurement(measurement(0, raw_ns=day * DAY_NS), selected=selected)


def test_rows_older_than_the_retention_are_deleted(path: Path, measurement: Make):
    with open_history(path, 3).history as history:
        _fill(history, measurement, range(10))
        history.flush()
        connection = connect(path)
        assert delete_aged(connection, 3) == 6
        assert delete_aged(connection, 3) == 0
        connection.close()
        days = [m.measurement.raw_ns // DAY_NS for m in history.measurements_since(0)]
        assert days == [6, 7, 8, 9]


def test_the_writer_deletes_in_the_background(path: Path, measurement: Make):
    with open_history(path, 3).history as history:
        _fill(history, measurement, range(10))
    with open_history(path, 3, interval_s=0.01).history as history:
        while history.counts()["measurements"] != 4:  # the test's time limit ends this
            pass


def test_a_server_from_the_future_that_nobody_believed_deletes_nothing(
    path: Path, measurement: Make
):
    with open_history(path, 3).history as history:
        _fill(history, measurement, range(3))
        _fill(history, measurement, range(30_000, 30_001), selected=False)
    connection = connect(path)
    assert delete_aged(connection, 3) == 0
    connection.close()


def test_nothing_is_deleted_before_there_is_a_measurement_to_tell_the_time(path: Path):
    with open_history(path, 3).history as history:
        history.add_transition(raw_ns=0, unix_ns=0, before="a", after="b", reason="c")
    connection = connect(path)
    assert delete_aged(connection, 3) == 0
    connection.close()


def test_space_is_given_back(path: Path, measurement: Make):
    with open_history(path, 3).history as history:
        _fill(history, measurement, range(2000))
    before = path.stat().st_size
    connection = connect(path)
    while delete_aged(connection, 3):
        pass
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert path.stat().st_size < before / 2


def test_states_of_the_last_boots_are_kept_by_order_not_by_a_clock(path: Path):
    with open_history(path, 3).history as history:
        for number in range(20):
            history.save_state(f"boot {number}", 1, {})
        history.save_state(boot_id(), 1, {})
        history.flush()
        connection = connect(path)
        delete_aged(connection, 3)
        connection.close()
        assert history.load_state(boot_id()) is not None
        assert history.load_state("boot 19") is not None
        assert history.load_state("boot 1") is None
