"""A trainer that reads the stream with the real code and misbehaves as told.

``python fake_trainer.py BEHAVIOUR OUT [STEPS]``
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from chronotick.plugin.training.frames import Batch, read_batches, read_header


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tell(**event: object) -> None:
    say(json.dumps(event))


def digest(batch: Batch) -> str:
    arrays = (batch.values, batch.noise, batch.target, batch.expected, batch.sigma)
    told = b"".join(array.tobytes() for array in (*arrays, batch.step_s, batch.kind))
    return hashlib.sha256(told).hexdigest()


def main() -> None:
    behaviour, out, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if behaviour == "dies":
        sys.stderr.write("Traceback: no torch here\n")
        sys.exit(3)
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    header = read_header(sys.stdin.buffer)
    if behaviour == "mutters":
        say("loading...")
    first = 2 if header.resume else 0
    tell(event="resumed" if header.resume else "started", step=first, parameters=1)
    if behaviour == "complains":
        tell(event="error", message="model.width must be even")
        sys.exit(1)
    seen = {"header": header.recipe, "validation": [], "learnt": []}
    for batch in read_batches(sys.stdin.buffer, header):
        seen["validation" if batch.validation else "learnt"].append(digest(batch))
        tell(event="step", step=first + len(seen["learnt"]), of=steps, loss=1.0, examples_per_s=1.0)
        if behaviour == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour in {"hangs", "stubborn"}:
            time.sleep(600)
        if first + len(seen["learnt"]) == steps:
            break
    else:
        tell(event="error", message="the examples ended too early")
        sys.exit(1)
    out.mkdir(parents=True, exist_ok=True)
    (out / "seen.json").write_text(json.dumps(seen))
    if behaviour != "forgets":
        tell(event="saved", directory=str(out))


if __name__ == "__main__":
    main()
