"""What is special to this plugin as the daemon sees it."""

from __future__ import annotations

from dataclasses import replace

from chronotick.plugin import load_plugins
from chronotick.workers.recipes import read_lock


def test_version_3_is_not_free_and_not_a_default():
    spec = load_plugins().find("timesfm")
    assert spec.checkpoint.repository == "google/timesfm-2.5-200m-pytorch"
    (version3,) = spec.alternatives
    assert version3.licence == "LicenseRef-timesfm-non-commercial-license-v1.0"


def test_chronos_lives_in_the_same_environment():
    chronos, timesfm = (load_plugins().find(name).environment for name in ("chronos", "timesfm"))
    assert replace(chronos, package="", smoke_import="") == replace(
        timesfm, package="", smoke_import=""
    )
    assert read_lock(chronos, "chronos") == read_lock(timesfm, "timesfm")
