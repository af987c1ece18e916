"""What lies between server and clients of the live comparison: paths, and their relays."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from chronotick.lab.network import Leg, PathModel
from chronotick.lab.path_presets import PATHS
from chronotick.ntp.testing import free_udp_port

RELAY = Path(__file__).with_name("relay.py")
PATH_MODELS = TypeAdapter(list[PathModel])
CHRONY, CHRONOTICK = "chrony", "chronotick"
NETS = {CHRONY: "127.0.1", CHRONOTICK: "127.0.2"}
"""Where the relays of each client are; chrony tells servers apart by address alone."""
READY = "ready"
STOP_S = 20.0


class Relays:
    """A process with a relay for each client and server.

    Attributes:
        ports: of the relays, by client.
        report: how late packets left; known when it has stopped.
    """

    def __init__(self, process: subprocess.Popen[str], ports: dict[str, list[int]]) -> None:
        self._process = process
        self.ports = ports
        self.report: dict[str, Any] = {}

    def wait_until_ready(self) -> None:
        """Return when all of them listen."""
        if self._process.stdout is None or self._process.stdout.readline().strip() != READY:
            raise SystemExit("the relay did not start; see above")

    def stop(self) -> None:
        """End the process and take its report."""
        self._process.terminate()
        said, _ = self._process.communicate(timeout=STOP_S)
        if self._process.returncode:
            raise SystemExit(f"the relay failed with {self._process.returncode}; see above")
        self.report = json.loads(said)


@contextlib.contextmanager
def relaying(server_port: int, paths: Sequence[PathModel], seed: int) -> Iterator[Relays]:
    """Relay both clients to the server over the same paths, each with chance of its own."""
    ports = {client: [free_udp_port() for _ in paths] for client in NETS}
    routes = [
        {
            "host": f"{NETS[client]}.{number + 1}",
            "port": ports[client][number],
            "server_port": server_port,
            "path": path.model_dump(mode="json"),
            "seed": 1000 * seed + 100 * which + number,
        }
        for which, client in enumerate(NETS)
        for number, path in enumerate(paths)
    ]
    with tempfile.TemporaryDirectory(prefix="ct-") as folder:
        file = Path(folder) / "routes.json"
        file.write_text(json.dumps(routes), encoding="utf-8")
        command = [sys.executable, str(RELAY), str(file)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        relays = Relays(process, ports)
        relays.wait_until_ready()
        try:
            yield relays
        finally:
            relays.stop()


def network(name: str, servers: int, seed: int, least_s: float) -> list[PathModel]:
    """Paths of a preset; each way takes at least what the relay needs to be on time."""
    rng = np.random.default_rng(seed)
    drawn = (PATHS[name](rng, number) for number in range(servers))
    return [
        path.model_copy(
            update={
                "forward": slower(path.forward, least_s),
                "backward": slower(path.backward, least_s),
            }
        )
        for path in drawn
    ]


def slower(leg: Leg, least_s: float) -> Leg:
    return leg.model_copy(update={"minimum_s": max(leg.minimum_s, least_s)})
