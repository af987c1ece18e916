"""Corrected time of one record: the fast reader, and what happens where it has no answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

from chronotick.client.errors import ClockUnsynchronised, DaemonUnavailable
