"""Writing what training made, so that nothing half-written is ever found.

A checkpoint is written into a draft beside its place, flushed to the disk, and moved; where that
fails the draft is removed, and what was there before remains.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from chronotick.plugin.weights import CONFIG

TENSORS_FILE: Final = "model.safetensors"
STATE_FILE: Final = "training-state.pt"
RECORD_FILE: Final = "training.json"
CARD_FILE: Final = "README.md"
_DRAFT: Final = ".draft-"
_READABLE: Final = 0o644

Tensors = dict[str, torch.Tensor]


def rounded(tensors: Mapping[str, torch.Tensor], stored: str) -> Tensors:
    """Return copies on the CPU in the type they are stored in.

    Tensors that share their numbers still do. Whole numbers stay as they are.

    Raises:
        ValueError: a weight is not finite in that type.
    """
    kind: torch.dtype = getattr(torch, stored)
    copies: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}
    found: Tensors = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if key not in copies:
            wanted = kind if tensor.is_floating_point() else tensor.dtype
            copies[key] = tensor.detach().to("cpu", wanted, copy=True).contiguous()
        found[name] = copies[key]
        if not torch.isfinite(found[name]).all():
            raise ValueError(f"the weights {name} cannot be stored as {stored}: too large, or nan")
    return found


def write_checkpoint(
    out: Path,
    network: Any,  # noqa: ANN401 - a library's
    tensors: Tensors,
    files: Mapping[str, str],
) -> None:
    """Write weights, settings and texts of a network that has the library's ``save_pretrained``.

    Args:
        out: directory to write to.
        network: whose settings are written.
        tensors: its weights as they are to be stored.
        files: further texts, by name.

    Raises:
        OSError: the disk is full, or does not let anything be written.
    """
    with _draft(out) as draft:
        # Libraries may empty the dictionary they are given.
        _saved(lambda: network.save_pretrained(str(draft), state_dict=dict(tensors)), draft)
        for name, text in files.items():
            (draft / name).write_text(text, encoding="utf-8")
        made = sorted(draft.iterdir(), key=lambda path: path.name == TENSORS_FILE)
        if {TENSORS_FILE, CONFIG} - {path.name for path in made}:
            raise OSError(f"{draft} lacks weights or settings: the library wrote others")
        for path in made:
            path.chmod(_READABLE)  # some libraries write for the owner only
            _flush(path)
        for path in made:
            path.replace(out / path.name)
    _flush(out)


def write_state(out: Path, state: Mapping[str, Any]) -> None:
    """Write what a resumed training needs.

    Raises:
        OSError: the disk is full, or does not let anything be written.
    """
    with _draft(out) as draft:
        path = draft / STATE_FILE
        with path.open("wb") as file:
            _saved(lambda: torch.save(dict(state), file), path)
        _flush(path)
        path.replace(out / STATE_FILE)
    _flush(out)


def read_state(out: Path) -> dict[str, Any] | None:
    """Read what an interrupted training left; ``None`` when there is nothing.

    No code is run, whatever the file holds.

    Raises:
        ValueError: it is damaged.
    """
    path = out / STATE_FILE
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the library makes of damaged files
        raise ValueError(
            f"{path} is damaged: {type(error).__name__}: {error}. Remove it, and start again"
        ) from error
    return state


def remove_state(out: Path) -> None:
    """Remove what only an interrupted training would need, and drafts that a killed one left."""
    (out / STATE_FILE).unlink(missing_ok=True)
    for left in out.glob(f"{_DRAFT}*"):
        shutil.rmtree(left, ignore_errors=True)


def _saved(save: Callable[[], None], path: Path) -> None:
    """Let a full disk be an ``OSError`` also where libraries make something else of it.

    Raises:
        OSError: it could not be written.
    """
    try:
        save()
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{path} could not be written: {error}") from error


@contextmanager
def _draft(out: Path) -> Iterator[Path]:
    out.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=out))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
