"""What makes a prediction loop forecast anew: time that passes, measurements, or either."""

from __future__ import annotations

import asyncio

from chronotick.config.schema import Predictor


class Trigger:
    """Waits for what a loop's configuration names.

    Args:
        terms: the loop as it is for the model that is waited for.
    """

    def __init__(self, terms: Predictor) -> None:
        self._heeds_measurements = terms.trigger != "interval"
        self._interval_s = None if terms.trigger == "measurement" else terms.inference_interval
        self._measured = asyncio.Event()

    def measured(self) -> None:
        """There is a new measurement."""
        if self._heeds_measurements:
            self._measured.set()

    def arm(self) -> None:
        """Forget measurements so far: a context is about to be taken that holds them."""
        self._measured.clear()

    async def wait(self, asked_s: float) -> None:
        """Wait until a forecast is due.

        Not with ``wait_for``: before Python 3.12 it can swallow a cancellation.

        Args:
            asked_s: when the last one was asked for, by the event loop's clock.
        """
        timeout_s = None
        if self._interval_s is not None:
            timeout_s = max(0.0, asked_s + self._interval_s - asyncio.get_running_loop().time())
        waking = asyncio.create_task(self._measured.wait())
        try:
            await asyncio.wait({waking}, timeout=timeout_s)
        finally:
            waking.cancel()
