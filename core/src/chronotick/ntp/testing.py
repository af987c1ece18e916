"""A real time server for tests and benchmarks: ``chronyd -x`` on loopback.

It serves the system clock and never touches it. Client and server share one clock, so the true
offset is exactly zero and whatever a client measures is its error.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from chronotick.ntp.packet import MODE_SERVER, Packet, PacketError

_START_TIMEOUT_S = 10.0
_PORT_ATTEMPTS = 3


class ChronydError(RuntimeError):
    """Raised when chronyd is missing or does not start; the message has its own output."""


def find_chronyd() -> str:
    """Path of the chronyd program.

    Raises:
        ChronydError: it is not installed.
    """
    program = shutil.which("chronyd") or shutil.which("chronyd", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise ChronydError("chronyd is not installed. Run: apt-get install chrony")
    return program


@contextlib.contextmanager
def running_chronyd(
    *directives: str, port: int | None = None, synchronised: bool = True
) -> Iterator[int]:
    """Run a private chronyd on 127.0.0.1 and ::1, and yield its UDP port.

    Args:
        directives: further lines of its configuration.
        port: UDP port; by default a free one.
        synchronised: True claims stratum 1 (``local stratum 1``), False answers with leap 3.

    Raises:
        ChronydError: it is not installed or does not start.
    """
    program = find_chronyd()
    if synchronised:
        directives = ("local stratum 1", *directives)
    # Not pytest's tmp_path: several tests, and programs that are no tests, share this.
    with tempfile.TemporaryDirectory(prefix="chronyd-") as folder:
        process, found = _start(program, Path(folder), directives, port)
        try:
            yield found
        finally:
            process.terminate()
            process.wait(timeout=_START_TIMEOUT_S)


def _start(
    program: str, folder: Path, directives: tuple[str, ...], port: int | None
) -> tuple[subprocess.Popen[bytes], int]:
    error = ChronydError("not tried")
    for _ in range(1 if port else _PORT_ATTEMPTS):  # a free port may be taken before it is used
        chosen = port or free_udp_port()
        try:
            return _start_on(program, folder, directives, chosen), chosen
        except ChronydError as failure:
            error = failure
    raise error


def _start_on(
    program: str, folder: Path, directives: tuple[str, ...], port: int
) -> subprocess.Popen[bytes]:
    configuration, output = folder / "chrony.conf", folder / "output"
    lines = [
        "allow",
        f"port {port}",
        "bindaddress 127.0.0.1",
        "bindaddress ::1",
        "cmdport 0",
        "bindcmdaddress /",
        f"pidfile {folder}/chronyd.pid",
        *directives,
    ]
    configuration.write_text("\n".join(lines) + "\n")
    user = pwd.getpwuid(os.getuid()).pw_name
    command = [program, "-x", "-d", "-U", "-u", user, "-f", str(configuration)]
    with output.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
    try:
        _wait_until_serving(process, port)
    except ChronydError as failure:
        process.kill()
        process.wait()
        raise ChronydError(f"{failure}\n{output.read_text()}") from None
    return process


def free_udp_port() -> int:
    """A UDP port of 127.0.0.1 that nobody uses right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_until_serving(process: subprocess.Popen[bytes], port: int) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise ChronydError(f"chronyd ended with status {process.returncode}:")
        if _serves(port):
            return
        time.sleep(0.02)
    raise ChronydError(f"chronyd does not answer on port {port} after {_START_TIMEOUT_S:g} s:")


def _serves(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        sock.connect(("127.0.0.1", port))
        try:
            sock.send(Packet(transmit_timestamp=1).pack())
            return Packet.unpack(sock.recv(512)).mode == MODE_SERVER
        except (OSError, PacketError):
            return False
