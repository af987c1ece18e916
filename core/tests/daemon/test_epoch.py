"""Epochs of a daemon that finds no record of the one before."""

from __future__ import annotations

from pathlib import Path

from chronotick.config.schema import Config
from chronotick.daemon.publisher import Publisher
from chronotick.shm import clocks
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter


def test_epochs_go_on_after_those_of_the_record(tmp_path: Path):
    writer = RecordWriter(tmp_path / "record")
    writer.write(good_record())
    assert Publisher.continuing(writer, Config().shm)._epoch == good_record().epoch
    writer.close()


def test_epochs_of_a_record_that_was_lost_do_not_come_again(tmp_path: Path):
    """Each daemon without a record began at 0: readers saw time step back in epoch 1."""
    before_s = clocks.raw_ns() // 10**9
    writer = RecordWriter(tmp_path / "record")
    assert before_s <= Publisher.continuing(writer, Config().shm)._epoch <= clocks.raw_ns() // 10**9
    writer.close()
