"""Batches made ready for a network while it learns from those before."""

from __future__ import annotations

import queue
import threading
from typing import BinaryIO, Final

from chronotick.plugin.training.frames import Batch, Header, read_batches
from chronotick.plugin.training.trainee import Inputs, Trainee

_AHEAD: Final = 4  # batches
_LOOK_S: Final = 0.2  # how often somebody who waits sees whether it is over


class Examples:
    """Batches made ready in a thread of its own, in the order in which they come."""

    def __init__(
        self, stream: BinaryIO, header: Header, trainee: Trainee, stopping: threading.Event
    ) -> None:
        self._stopping = stopping
        self._ready: queue.Queue[tuple[Batch, Inputs] | Exception | None] = queue.Queue(_AHEAD)
        self._over = threading.Event()
        arguments = (stream, header, trainee)
        self._thread = threading.Thread(target=self._read, args=arguments, daemon=True)
        self._thread.start()

    def _read(self, stream: BinaryIO, header: Header, trainee: Trainee) -> None:
        last: Exception | None = None
        try:
            for batch in read_batches(stream, header):
                if not self._put((batch, trainee.prepare(batch))):
                    return
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            last = error
        self._put(last)

    def _put(self, item: tuple[Batch, Inputs] | Exception | None) -> bool:
        while not self._over.is_set():
            try:
                self._ready.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False

    def next(self) -> tuple[Batch, Inputs] | None:
        """Return the next batch; ``None`` when there are no more, or training shall stop.

        Raises:
            Exception: what went wrong with the stream.
        """
        while not self._stopping.is_set():
            try:
                item = self._ready.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            if isinstance(item, Exception):
                raise item
            return item
        return None

    @property
    def interrupted(self) -> bool:
        """Whether training was asked to stop."""
        return self._stopping.is_set()

    def close(self) -> None:
        """Let the thread end; one that waits for the stream ends with the process."""
        self._over.set()
