"""A server of models for clocks on other machines: ``chronotick worker serve``."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ModelSpec
from chronotick.workers.allowlist import AllowList
from chronotick.workers.front import Front
from chronotick.workers.keys import read_pair
from chronotick.workers.supervisor import WorkerPool

logger = logging.getLogger("chronotick.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is served, where and to whom.

    Attributes:
        models: to serve; each runs in a process of its own here.
        listen: ``tcp://HOST:PORT``.
        allow: file or directory of the clocks' public keys.
        device: where the models compute, ``auto``, ``cpu`` or ``cuda[:n]``.
        max_clocks: connections served at a time.
    """

    models: tuple[ModelSpec, ...]
    listen: str
    allow: Path
    device: str
    max_clocks: int


async def host(offer: Offer, config: Workers, runtime_dir: Path) -> None:
    """Serve models until SIGTERM or SIGINT; SIGHUP reads the list of keys again.

    Raises:
        KeyProblem: this machine has no keys, or the list cannot be read.
        OSError: the address cannot be bound, or the runtime directory cannot be used.
    """
    pair, allowed = read_pair(config.keys), AllowList(offer.allow)
    here = config.model_copy(update={"remote": {}})  # a server does not pass on to another one
    pool = WorkerPool(here, runtime_dir)
    try:
        for spec in offer.models:
            pool.add(spec, device=offer.device)
        front = Front(offer.listen, pair, allowed, pool.workers, max_clocks=offer.max_clocks)
        try:
            await _until_stopped(front, allowed, offer)
        finally:
            await front.close()
    finally:
        await pool.close()


async def _until_stopped(front: Front, allowed: AllowList, offer: Offer) -> None:
    stop = asyncio.Event()
    handlers = {
        signal.SIGTERM: stop.set,
        signal.SIGINT: stop.set,
        signal.SIGHUP: front.recheck,
    }
    with _signals(handlers):
        names = ", ".join(spec.name for spec in offer.models)
        logger.info("serving %s on %s to %d keys", names, front.address, len(allowed))
        if not len(allowed):
            logger.warning(
                "nobody can connect: %s holds no key. Add what `chronotick worker key` prints on "
                "each clock's machine",
                allowed.path,
            )
        await stop.wait()
    logger.info("stopping")


@contextmanager
def _signals(handlers: Mapping[signal.Signals, object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
