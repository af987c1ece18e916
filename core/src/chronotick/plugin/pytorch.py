"""What model classes on torch have in common. Imported in a worker's environment only."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import torch
from safetensors import safe_open


def prepare(device: str, threads: int) -> str:
    """Limit torch's CPU threads and choose where to compute.

    Args:
        device: ``auto``, ``cpu`` or ``cuda[:n]``.
        threads: how many CPU threads may be used.

    Returns:
        ``"cpu"`` or ``"cuda:n"``.

    Raises:
        RuntimeError: a GPU was asked for by name, and torch sees none, or not that one.
    """
    torch.set_num_threads(threads)
    if device == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        if device == "auto":
            return "cpu"
        raise RuntimeError(
            f"device {device} was asked for, but torch {torch.__version__} sees no GPU. "
            "Use device auto or cpu, or install a CUDA build: chronotick envs sync --device cuda"
        )
    index = int(device.partition(":")[2] or 0)
    if index >= torch.cuda.device_count():
        raise RuntimeError(f"device {device}: there are {torch.cuda.device_count()} GPUs, from 0")
    return f"cuda:{index}"


def parameters(model: torch.nn.Module) -> int:
    """Return the number of weights."""
    return sum(weight.numel() for weight in model.parameters())


def check_complete(
    model: torch.nn.Module, files: Iterable[Path], *, computed: Collection[str] = ()
) -> None:
    """Refuse files that lack tensors: libraries leave those random without a word.

    Args:
        model: as loaded.
        files: the safetensors files it was loaded from.
        computed: tensors of the model that are never stored.

    Raises:
        ValueError: with how many are missing, and one of them; or the model holds no data at all
            (device meta), so that nothing can be told.
    """
    if any(weight.is_meta for weight in model.parameters()):
        raise ValueError("the model was never given its weights: it lies on torch's meta device")
    files = list(files)
    stored = {name for file in files for name in safe_open(file, framework="pt").keys()}  # noqa: SIM118 - no mapping
    tensors = model.state_dict()
    # Tied tensors are stored once and appear under several names.
    loaded = {tensor.data_ptr() for name, tensor in tensors.items() if name in stored}
    missing = [
        name
        for name, tensor in tensors.items()
        if tensor.data_ptr() not in loaded and name not in computed
    ]
    if missing:
        place = files[0].parent if files else "the checkpoint"
        raise ValueError(f"{place} is incomplete: {len(missing)} tensors, e.g. {missing[0]}")
