"""The log as people, programs and systemd's journal read it."""

from __future__ import annotations

import array
import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import chronotick
from chronotick.config.schema import Logging
from chronotick.daemon.events import EVENTS, event_of
from chronotick.daemon.journald import JournalHandler
from chronotick.daemon.logs import configure_logging
from chronotick.daemon.rate_limit import MOST_KINDS, RateLimited
from chronotick.daemon.status import StateMachine
from chronotick.shm.layout import Status

SOURCES = Path(chronotick.__file__).parent
OPERATING = Path(__file__).parents[3] / "docs" / "operating.md"


class Kept(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def configure() -> Iterator[Callable[..., None]]:
    """Configure the log for one test, and put back what pytest has set up."""
    root, ours = logging.getLogger(), logging.getLogger("chronotick")
    handlers, levels = root.handlers[:], (root.level, ours.level)

    def configured(journal: Path = Path("/nonexistent"), **settings: Any) -> None:  # noqa: ANN401
        configure_logging(Logging(**settings), journal)

    yield configured
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def logger_to(handler: logging.Handler, name: str = "chronotick.test") -> logging.Logger:
    logger = logging.Logger(name)  # noqa: LOG001 - one that nobody else hears
    logger.addHandler(handler)
    return logger


@pytest.fixture
def limited() -> Iterator[Callable[..., tuple[logging.Logger, Kept]]]:
    opened = []

    def made(
        most: int, window_s: float, name: str = "chronotick.test"
    ) -> tuple[logging.Logger, Kept]:
        kept = Kept()
        opened.append(RateLimited(kept, most, window_s))
        return logger_to(opened[-1], name), kept

    yield made
    for handler in opened:
        handler.close()


class Journal:
    """A datagram socket where systemd has the journal's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(5)

    def entry(self) -> dict[str, str]:
        data, ancillary, *_ = self._socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
        if ancillary:
            [descriptor] = array.array("i", ancillary[0][2])
            with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
                file.seek(0)
                data = file.read()
        return decoded(data)

    def close(self) -> None:
        self._socket.close()


def decoded(data: bytes) -> dict[str, str]:
    """Fields of an entry, as https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ has them."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(data[:8], "little")
            value, rest = data[8 : 8 + length], data[8 + length :]
            assert rest.startswith(b"\n")
            data = rest[1:]
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal")
    yield opened
    opened.close()


def change_state() -> None:
    state = StateMachine(lambda _: None)
    state.change(1, Status.WARMING_UP, "first measurement accepted")


def test_a_line_of_json_has_the_fields_of_a_change_of_state(configure, capsys):
    configure(format="json")
    before_ns = time.time_ns()
    change_state()
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "state"
    assert (line["before"], line["after"]) == ("unknown", "warming-up")
    assert line["reason"] == "first measurement accepted"
    assert line["message"] == "unknown -> warming-up: first measurement accepted"
    assert before_ns - 1000 <= line["time_ns"] <= time.time_ns() + 1000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
    assert f".{line['time_ns'] // 1000 % 10**6:06d}Z" in line["time"]


def test_fields_can_be_given_with_a_line(configure, capsys):
    configure(format="json")
    fields = {"port": 123, "ratio": float("nan"), "message": "not this"}
    logging.getLogger("chronotick.x").warning("hello", extra={"event": "own", "fields": fields})
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["port"], line["ratio"]) == ("own", 123, None)
    assert line["message"] == "hello"


def test_a_line_of_text_is_made_for_people(configure, capsys):
    configure()
    change_state()
    line = capsys.readouterr().err
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    chronotick.status: unk", line)


def test_an_exception_is_in_the_line(configure, capsys):
    configure(format="json")
    try:
        raise ValueError("broken")  # noqa: TRY301 - it is to be logged
    except ValueError:
        logging.getLogger("chronotick.x").exception("a mistake")
    assert "ValueError: broken" in json.loads(capsys.readouterr().err)["exception"]


def test_the_journal_gets_fields(configure, journal):
    configure(journal.path, format="journald")
    change_state()
    entry = journal.entry()
    assert entry["MESSAGE"] == "unknown -> warming-up: first measurement accepted"
    assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("6", "chronotick")
    assert (entry["CHRONOTICK_EVENT"], entry["CHRONOTICK_AFTER"]) == ("state", "warming-up")
    assert entry["SYSLOG_PID"] == str(os.getpid())
    assert entry["CHRONOTICK_LOGGER"] == "chronotick.status"


@pytest.mark.parametrize(("level", "priority"), [("WARNING", "4"), ("ERROR", "3"), ("DEBUG", "7")])
def test_the_journal_gets_the_priority(configure, journal, level, priority):
    configure(journal.path, format="journald", level="DEBUG")
    logging.getLogger("chronotick.x").log(getattr(logging, level), "words")
    assert journal.entry()["PRIORITY"] == priority


def test_the_journal_gets_several_lines_in_one_field(configure, journal):
    configure(journal.path, format="journald")
    try:
        raise ValueError("broken = yes\nindeed")  # noqa: TRY301 - it is to be logged
    except ValueError:
        logging.getLogger("chronotick.x").exception("a mistake")
    message = journal.entry()["MESSAGE"]
    assert message.startswith("a mistake\nTraceback")
    assert message.endswith("ValueError: broken = yes\nindeed")


def test_an_entry_too_large_for_a_datagram_arrives_whole(configure, journal):
    configure(journal.path, format="journald")
    logging.getLogger("chronotick.x").warning("%s", "long " * 200_000)
    assert journal.entry()["MESSAGE"] == "long " * 200_000


def test_without_a_journal_the_log_is_text_and_says_so_once(configure, capsys, tmp_path):
    configure(tmp_path / "none", format="journald")
    change_state()
    first, second = capsys.readouterr().err.splitlines()
    assert "the journal cannot be reached" in first
    assert "logging.format" in first
    assert "unknown -> warming-up" in second


def test_while_the_journal_is_away_the_log_is_text_and_then_it_is_used_again(
    configure, capsys, tmp_path
):
    path = tmp_path / "journal"
    journal = Journal(path)
    configure(path, format="journald")
    journal.close()
    logging.getLogger("chronotick.x").warning("alone")
    assert "alone" in capsys.readouterr().err
    path.unlink()
    journal = Journal(path)
    logging.getLogger("chronotick.x").warning("back")
    assert journal.entry()["MESSAGE"] == "back"
    assert capsys.readouterr().err == ""
    journal.close()


def test_a_journal_that_does_not_read_holds_nobody_up(configure, journal, capsys):
    configure(journal.path, format="journald", rate_limit=0)
    for number in range(5000):
        logging.getLogger("chronotick.x").warning("line %d", number)
    assert "line 4999" in capsys.readouterr().err


def test_the_same_line_is_told_a_few_times_and_then_counted(limited):
    logger, kept = limited(2, 0.2)
    for number in range(7):
        logger.warning("late by %d", number)
    assert kept.messages == ["late by 0", "late by 1"]
    deadline = time.monotonic() + 10
    while len(kept.records) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kept.messages[2:] == ["5 more like this in the last 0.2 s, the last: late by 6"]
    summary = kept.records[2]
    assert (summary.name, summary.levelname) == ("chronotick.test", "WARNING")
    assert event_of(summary)[0] == "repeated"
    assert event_of(summary)[1]["count"] == 5


def test_a_window_later_lines_are_told_again(limited):
    logger, kept = limited(1, 0.05)
    logger.warning("words")
    time.sleep(0.06)
    logger.warning("words")
    assert kept.messages == ["words", "words"]


def test_other_lines_loggers_and_levels_are_counted_apart(limited):
    logger, kept = limited(1, 60)
    logger.warning("one")
    logger.warning("two")
    logger.error("one")
    assert kept.messages == ["one", "two", "one"]


def test_lines_whose_template_says_nothing_are_told_apart_by_their_words(limited):
    logger, kept = limited(1, 60)
    for words in ("one", "two", "two"):
        logger.warning("%s", words)
    assert kept.messages == ["one", "two"]


def test_what_is_still_to_be_told_is_told_at_the_end():
    kept = Kept()
    handler = RateLimited(kept, 1, 3600)
    logger = logger_to(handler)
    for _ in range(3):
        logger.warning("words")
    handler.close()
    assert kept.messages == ["words", "2 more like this in the last 3600 s, the last: words"]


def test_changes_of_state_are_never_left_out(limited):
    logger, kept = limited(1, 60, "chronotick.status")
    for _ in range(5):
        logger.info("%s -> %s: %s", "synchronised", "holdover", "no measurement for 48 s")
    assert len(kept.records) == 5


def test_what_debugging_shows_is_never_left_out(limited):
    logger, kept = limited(1, 60)
    for _ in range(5):
        logger.debug("words")
    assert len(kept.records) == 5


def test_ever_new_lines_take_no_memory(limited):
    logger, kept = limited(1, 3600)
    [handler] = logger.handlers
    for number in range(3 * MOST_KINDS):
        logger.warning(f"number {number}")  # noqa: G004 - each is a template of its own
    assert len(kept.records) == 3 * MOST_KINDS
    assert len(handler._windows) <= MOST_KINDS


@pytest.mark.parametrize("template", ["%d of them", "%s", "%s and %s"])
def test_a_wrong_call_is_told_on_standard_error_and_ends_nothing(capsys, template):
    handler = RateLimited(logging.StreamHandler(), 1, 3600)
    logger = logger_to(handler)
    for _ in range(3):
        logger.warning(template, "one", object(), "three")
    assert capsys.readouterr().err.count(f"Message: {template!r}") == 3
    logger.warning("words")
    handler.close()
    assert capsys.readouterr().err == "words\n"


def test_a_wrong_call_does_not_get_past_the_journal(journal, capsys):
    logger = logger_to(JournalHandler(Kept(), journal.path))
    logger.warning("%d of them", "words")
    assert "%d of them" in capsys.readouterr().err
    logger.warning("%d of them", 3)
    assert journal.entry()["MESSAGE"] == "3 of them"
    logger.handlers[0].close()


def test_where_there_can_be_no_more_threads_the_log_goes_on(limited, capsys, monkeypatch):
    logger, kept = limited(1, 3600)

    def refused(_timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Timer, "start", refused)
        for _ in range(3):
            logger.warning("words")
    assert capsys.readouterr().err.count("RuntimeError: can't") == 2
    logger.warning("words")
    logger.handlers[0].close()
    assert kept.messages == ["words", "3 more like this in the last 3600 s, the last: words"]


def test_the_limit_is_that_of_the_configuration(configure, capsys):
    configure(rate_limit=3)
    for _ in range(5):
        logging.getLogger("chronotick.x").warning("words")
    assert capsys.readouterr().err.count("words") == 3
    configure(rate_limit=0)
    for _ in range(50):
        logging.getLogger("chronotick.x").warning("words")
    assert capsys.readouterr().err.count("words") == 50


@pytest.mark.parametrize("key", EVENTS, ids=lambda key: EVENTS[key].name)
def test_every_event_is_logged_somewhere_with_as_many_values_as_it_has_fields(key):
    name, template = key
    quoted = f'"{template}"'
    written = [
        text
        for path in SOURCES.rglob("*.py")
        if path.name != "events.py" and quoted in (text := path.read_text())
    ]
    assert any(f'getLogger("{name}")' in text for text in written)
    assert len(re.findall(r"%[^%]*?[sdgf]", template)) == len(EVENTS[key].fields)


def test_the_page_names_every_event_and_field():
    page = OPERATING.read_text()
    for event in EVENTS.values():
        for word in (event.name, *event.fields):
            assert f"`{word}`" in page, word
