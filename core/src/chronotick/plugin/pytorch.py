"""What model classes on torch have in common. Imported in a worker's environment only."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import torch
from safetensors import safe_open
from torch.nn.modules.module import register_module_parameter_registration_hook

from chronotick.plugin.weights import Weights

# Libraries make some tensors twice: of a default size, or to be tied to others.
_ROOM: Final = 1000
_ROOM_PER_TENSOR: Final = 4

_TOO_FEW: Final = "too few"
_log = logging.getLogger(__name__)


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


def shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    """Return the shape of each stored tensor; the tensors themselves are not read.

    Raises:
        ValueError: the files contradict themselves.
    """
    found: dict[str, tuple[int, ...]] = {}
    for path in weights.files():
        with weights.blamed(f"{path} is damaged"), safe_open(path, framework="pt") as file:
            found |= {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    return found


def check_fits(
    weights: Weights,
    build: Callable[[], torch.nn.Module],
    stored: Mapping[str, Sequence[int]] | None = None,
    *,
    spare: float = 0.0,
) -> None:
    """Refuse weights that are not those of a model, before any memory is taken.

    Libraries leave tensors that are missing at random and drop those they have no place for,
    without a word; and settings that were lost stand for defaults of any size.

    Args:
        weights: that are to be loaded.
        build: makes the model, here on torch's device ``meta``, where nothing is allocated.
        stored: shapes of the stored tensors by the names the model has for them; by default those
            of the files.
        spare: share of the stored numbers that may have no place, with a warning: where what is
            published may hold unused buffers.

    Raises:
        ValueError: no model can be made, or tensors are missing, have other shapes there, or, more
            than a few, no place in it; with one of each.
    """
    stored = shapes(weights) if stored is None else stored
    with weights.blamed(), _at_most(_ROOM + _ROOM_PER_TENSOR * len(stored)), torch.device("meta"):
        model = build()
    found = _differences(model, stored)
    left = found[_TOO_FEW]
    if left and _count(stored, left) <= spare * _count(stored, stored):
        _log.warning("%s: %d tensors are not used, e.g. %s", weights.name, len(left), left[0])
        found[_TOO_FEW] = []
    differences = [
        f"{len(names)} tensors {how}, e.g. {names[0]}" for how, names in found.items() if names
    ]
    if differences:
        raise weights.unusable(f"the model that is described has {'; '.join(differences)}")


def _count(stored: Mapping[str, Sequence[int]], names: Iterable[str]) -> int:
    return sum(math.prod(stored[name]) for name in names)


def _differences(
    model: torch.nn.Module, stored: Mapping[str, Sequence[int]]
) -> dict[str, list[str]]:
    tensors = model.state_dict(keep_vars=True)
    # Tied tensors are stored once and appear under several names.
    there = {id(tensor) for name, tensor in tensors.items() if name in stored}
    unused = getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ()
    return {
        "that are missing": [name for name, tensor in tensors.items() if id(tensor) not in there],
        _TOO_FEW: [
            name
            for name in stored
            if name not in tensors and not any(re.search(pattern, name) for pattern in unused)
        ],
        "of another shape": [
            f"{name}: {list(tensor.shape)}, not {list(stored[name])}"
            for name, tensor in tensors.items()
            if name in stored and tuple(tensor.shape) != tuple(stored[name])
        ],
    }


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Stop whoever makes more parameters: even without numbers a billion layers fill the memory."""
    made = 0

    def register(_module: torch.nn.Module, _name: str, _parameter: torch.nn.Parameter) -> None:
        nonlocal made
        made += 1
        if made > count:
            raise ValueError(f"more than {count} tensors are described, many more than are stored")

    hook = register_module_parameter_registration_hook(register)
    try:
        yield
    finally:
        hook.remove()
