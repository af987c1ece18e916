"""The one thread that touches the database: writes in batches, answers questions in between."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TypeVar

from chronotick.history.rows import Row
from chronotick.history.tables import ForeignDatabaseError, NewerVersionError

log = logging.getLogger(__name__)
T = TypeVar("T")

MAINTENANCE_INTERVAL_S = 3600.0
"""Between deletions of old rows."""
_ANSWER_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 10.0
_CANNOT_CONNECT = (sqlite3.Error, OSError, MemoryError, ForeignDatabaseError, NewerVersionError)
_ROW_AT_FAULT = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    OverflowError,
)


class HistoryUnavailableError(Exception):
    """Raised when the history cannot answer a question; the message says why."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One row on its way into the database."""

    sql: str
    values: Row


@dataclass(frozen=True, slots=True)
class WriterHealth:
    """How the writing goes.

    Attributes:
        pending: rows waiting in memory.
        dropped: rows given up because the buffer was full or the database refused them.
        problem: why nothing can be written now; empty when all is well.
    """

    pending: int
    dropped: int
    problem: str


@dataclass(frozen=True, slots=True)
class Storage:
    """What the writer writes to.

    Attributes:
        name: the file, for messages.
        connect: opens it.
        lasting: opening it again after a failure finds what was written before.
        maintain: does a little housekeeping; returns whether more is left to do.
        place: what stands where the database should be; something else: it was removed.
    """

    name: str
    connect: Callable[[], sqlite3.Connection]
    lasting: bool
    maintain: Callable[[sqlite3.Connection], bool]
    place: Callable[[], object] = lambda: None


class Writer:
    """A thread that owns the connection, so that no caller ever waits for a disk.

    Rows are committed once per interval. While that fails (disk full, database locked) they stay
    in memory, up to the capacity, and are tried again with a new connection.

    Args:
        storage: the database.
        interval_s: time between commits, in seconds.
        capacity: most rows kept in memory; beyond it the oldest are dropped.
        maintenance_s: time between housekeepings, in seconds.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        interval_s: float,
        capacity: int,
        maintenance_s: float = MAINTENANCE_INTERVAL_S,
    ) -> None:
        self._storage = storage
        self._maintenance_s = maintenance_s
        self._interval_s = interval_s
        self._capacity = capacity
        self._wake = threading.Condition()
        self._rows: deque[Statement] = deque()
        self._latest: dict[str, Statement] = {}
        self._questions: deque[Callable[[], None]] = deque()
        self._closing = False
        self._in_hand = 0  # rows taken from the queue and not yet committed
        self._dropped = 0
        self._problem = ""
        self._connection: sqlite3.Connection | None = None
        self._place: object = None
        self._maintain_at = time.monotonic() + interval_s
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def put(self, statement: Statement) -> None:
        """Queue a row; returns at once."""
        with self._wake:
            self._rows.append(statement)
            self._trim()

    def put_latest(self, slot: str, statement: Statement) -> None:
        """Queue a row of which only the last one counts; returns at once."""
        with self._wake:
            self._latest[slot] = statement

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Have a question answered, after all that was queued before it was written.

        Raises:
            HistoryUnavailableError: the database cannot be opened, read, or does not answer.
        """
        answer: Future[T] = Future()
        with self._wake:
            if self._closing:
                raise HistoryUnavailableError("the history is closed")
            self._questions.append(lambda: self._answer(question, answer))
            self._wake.notify()
        try:
            return answer.result(_ANSWER_TIMEOUT_S)
        except FutureTimeoutError as error:
            message = f"{self._storage.name} did not answer within {_ANSWER_TIMEOUT_S:g} s"
            raise HistoryUnavailableError(message) from error
        except _CANNOT_CONNECT as error:
            raise HistoryUnavailableError(f"{self._storage.name}: {error}") from error

    def health(self) -> WriterHealth:
        """How the writing goes."""
        with self._wake:
            pending = len(self._rows) + len(self._latest) + self._in_hand
            return WriterHealth(pending, self._dropped, self._problem)

    def close(self) -> None:
        """Write what is queued and end the thread; says how much could not be written."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(_CLOSE_TIMEOUT_S)
        health = self.health()
        if health.pending:
            log.error(
                "history: %d rows could not be written to %s and are lost: %s",
                health.pending,
                self._storage.name,
                health.problem or "the disk does not answer",
            )

    def _run(self) -> None:
        while not self._closing:
            with self._wake:
                self._wake.wait_for(lambda: self._questions or self._closing, self._interval_s)
            self._turn()
            self._maintain()
        self._turn()
        self._disconnect()

    def _turn(self) -> None:
        with self._wake:  # before the commit: answers know what was queued before the question
            questions = list(self._questions)
            self._questions.clear()
        self._commit()
        for question in questions:
            question()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._storage.place() != self._place:
            log.warning("history: %s was removed by someone; it is begun anew", self._storage.name)
            self._disconnect()
        if self._connection is None:
            self._connection = self._storage.connect()
            self._place = self._storage.place()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, question: Callable[[sqlite3.Connection], T], answer: Future[T]) -> None:
        try:
            answer.set_result(question(self._connected()))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who asked
            answer.set_exception(error)

    def _commit(self) -> None:
        rows, latest = self._take()
        if not rows and not latest:
            return
        try:
            self._write([*rows, *latest.values()])
        except _CANNOT_CONNECT as error:
            self._put_back(rows, latest)
            self._failed(error)
        else:
            self._succeeded()

    def _take(self) -> tuple[list[Statement], dict[str, Statement]]:
        with self._wake:
            rows, latest = list(self._rows), self._latest
            self._rows.clear()
            self._latest = {}
            self._in_hand = len(rows) + len(latest)
        return rows, latest

    def _put_back(self, rows: list[Statement], latest: dict[str, Statement]) -> None:
        with self._wake:
            self._in_hand = 0
            self._rows.extendleft(reversed(rows))
            self._latest = latest | self._latest
            self._trim()

    def _trim(self) -> None:
        excess = len(self._rows) - self._capacity
        if excess > 0 and self._dropped == 0:
            log.warning("history: %d rows wait in memory, the oldest are dropped", self._capacity)
        for _ in range(excess):
            self._rows.popleft()
            self._dropped += 1

    def _write(self, statements: list[Statement]) -> None:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                self._execute(connection, statement)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk may have rolled back by itself
                connection.execute("ROLLBACK")
            raise

    def _execute(self, connection: sqlite3.Connection, statement: Statement) -> None:
        """One row. A row that can never be stored must not hold up the others."""
        try:
            connection.execute(statement.sql, statement.values)
        except _ROW_AT_FAULT as error:
            self._dropped += 1
            log.warning("history: row refused (%s): %s", error, statement.values)

    def _failed(self, error: Exception) -> None:
        if not self._problem:
            log.warning(
                "history: cannot write to %s (%s). Up to %d rows are kept in memory until it can"
                " be written again; the clock is not affected",
                self._storage.name,
                error,
                self._capacity,
            )
        self._problem = str(error)
        if self._storage.lasting:
            self._disconnect()

    def _succeeded(self) -> None:
        with self._wake:
            self._in_hand = 0
        if self._problem:
            log.warning(
                "history: %s can be written again; %d rows lost", self._storage.name, self._dropped
            )
        self._problem = ""

    def _maintain(self) -> None:
        if self._problem or time.monotonic() < self._maintain_at:
            return
        try:
            more = self._storage.maintain(self._connected())
        except _CANNOT_CONNECT as error:
            log.warning("history: old rows cannot be deleted: %s", error)
            more = False
        self._maintain_at = time.monotonic() + (0.0 if more else self._maintenance_s)
