from __future__ import annotations

import asyncio
import errno
import logging
import os

import pytest

from chronotick.daemon.app import on_loop_trouble


def trouble(error: Exception, **where: object) -> None:
    async def told() -> None:
        context = {"message": "something failed", "exception": error, **where}
        on_loop_trouble(asyncio.get_running_loop(), context)

    asyncio.run(told())


def test_want_of_descriptors_is_a_line_without_a_traceback(caplog: pytest.LogCaptureFixture):
    trouble(OSError(errno.EMFILE, os.strerror(errno.EMFILE)), socket=object())
    (record,) = caplog.records
    assert record.name == "chronotick.daemon"
    assert record.exc_info is None
    assert "Too many open files" in record.getMessage()


def test_any_other_trouble_keeps_its_traceback(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.ERROR)
    trouble(ValueError("a mistake"), socket=object())
    trouble(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    assert all(record.exc_info is not None for record in caplog.records)
    assert len(caplog.records) == 2
