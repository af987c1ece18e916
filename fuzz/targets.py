"""What is fuzzed, and where its seeds are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parent / "corpus"

TARGETS: Final = (
    "ntp_packet",
    "nts_records",
    "nts_reply",
    "cmdmon_reply",
    "worker_frames",
    "record_body",
    "record_bytes",
    "clockbound_segment",
    "control_requests",
    "control_answers",
    "configuration",
    "recordings",
    "snapshots",
    "tensors",
    "token_files",
    "http_requests",
    "mcp_arguments",
)
"""Modules of this package with a function ``TestOneInput``."""
