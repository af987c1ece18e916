"""docs/replay.md names every column, option, error and status of a replay."""

from __future__ import annotations

from pathlib import Path

import pytest

import chronotick.lab.recordings
import chronotick.lab.replaying
from chronotick.cli.replaying import replay
from chronotick.lab.recordings.tables import KNOWN
from chronotick.lab.replaying.table import COLUMNS, MEMBER_COLUMNS
from chronotick.shm.layout import Status

PAGE = (Path(__file__).parents[3] / "docs" / "replay.md").read_text()


def test_every_column_is_on_the_page():
    stamps = {"t1_s", "t2_s", "t3_s", "t4_s"}
    for column in {*COLUMNS, *KNOWN} - stamps:
        assert f"`{column}`" in PAGE, column
    for column in MEMBER_COLUMNS:
        assert f"`MODEL_{column}`" in PAGE


def test_every_option_is_on_the_page():
    for parameter in replay.params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert option in PAGE, option


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.UNKNOWN])
def test_every_status_a_row_can_have_is_on_the_page(status: Status):
    assert f"{status.value} {status.words.replace('-', ' ')}" in PAGE


def test_every_error_is_on_the_page():
    faces = (chronotick.lab.recordings, chronotick.lab.replaying)
    for error in (name for face in faces for name in face.__all__ if name.endswith("Error")):
        assert f"`{error}`" in PAGE, error


def test_the_public_faces_are_complete():
    for face in (chronotick.lab.recordings, chronotick.lab.replaying):
        for name in face.__all__:
            assert getattr(face, name).__doc__, name
