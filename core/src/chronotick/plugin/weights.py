"""Where weights are: a directory, the hub's local cache, or the hub.

For model classes that load checkpoints of the Hugging Face hub. Needs ``huggingface_hub``, which is
imported when a hub id has to be looked up.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TENSORS: Final = ("model.safetensors", "model.safetensors.index.json")
"""Files that hold weights: never pickles, which would run code."""

CONFIG: Final = "config.json"
DOWNLOADED: Final = ("*.json", "*.safetensors", "README.md", "LICENSE*")
_HUB_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights on this machine.

    Attributes:
        directory: that holds them.
        name: what they are: that directory, or hub id and commit.
    """

    directory: Path
    name: str

    def files(self) -> list[Path]:
        """Return the files that hold tensors."""
        return sorted(self.directory.glob("*.safetensors"))


def locate(checkpoint: str, model: str, *, needed: Sequence[str] = (CONFIG,)) -> Weights:
    """Find weights, downloading them if they are on the hub only.

    The local cache comes first: asking an unreachable hub takes half a minute to fail.

    Args:
        checkpoint: a directory, ``org/name`` or ``org/name@revision``.
        model: name of the model, as commands take it.
        needed: files that must be there besides the tensors.

    Raises:
        FileNotFoundError: they are nowhere; the message says what is missing, where it was looked
            for and what brings it.
    """
    return find(checkpoint, model, needed=needed) or _download(checkpoint, model, needed)


def find(checkpoint: str, model: str, *, needed: Sequence[str] = (CONFIG,)) -> Weights | None:
    """Find weights without a network: a directory, or what the hub's cache holds.

    Returns:
        ``None`` when a hub id is not in the cache.

    Raises:
        FileNotFoundError: a directory is not there or lacks files, or it is no hub id.
    """
    path = Path(checkpoint).expanduser()
    if path.is_dir() or checkpoint.startswith(("/", "./", "../", "~")):
        _check_directory(path, model, needed)
        return Weights(path, str(path))
    repository, revision = split(checkpoint, model)
    snapshot = _cached(repository, revision, needed)
    if snapshot is None:
        return None
    _check_directory(snapshot, model, needed)
    return Weights(snapshot, f"{repository}@{snapshot.name}")


def split(checkpoint: str, model: str) -> tuple[str, str | None]:
    """Take a hub id apart into repository and revision.

    Raises:
        FileNotFoundError: it is none.
    """
    repository, _, revision = checkpoint.partition("@")
    if repository.count("/") != 1:
        raise FileNotFoundError(
            f"{checkpoint!r} is neither a directory nor a hub id (org/name[@revision]). "
            f"Give one: {_option(model)}"
        )
    return repository, revision or None


def _option(model: str) -> str:
    return f"--checkpoint {model}=DIR"


def _check_directory(path: Path, model: str, needed: Sequence[str]) -> None:
    if not path.is_dir():
        raise FileNotFoundError(f"there is no directory {path}. Give one: {_option(model)}")
    missing = [name for name in needed if not (path / name).is_file()]
    if not any((path / name).is_file() for name in TENSORS):
        missing.append(TENSORS[0])
    if missing:
        raise FileNotFoundError(
            f"{path} lacks {' and '.join(missing)}. It must hold what `chronotick models pull "
            f"{model}` brings, or `chronotick models tiny {model} --out DIR` writes"
        )


def _cached(repository: str, revision: str | None, needed: Sequence[str]) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = {
        name: try_to_load_from_cache(repository, name, revision=revision)
        for name in (*needed, *TENSORS)
    }
    paths = [Path(found[name]) for name in TENSORS if isinstance(found[name], str)]
    complete = paths and all(isinstance(found[name], str) for name in needed)
    return paths[0].parent if complete else None


def _download(checkpoint: str, model: str, needed: Sequence[str]) -> Weights:
    from huggingface_hub import constants, snapshot_download

    repository, revision = split(checkpoint, model)
    where = f"the cache {constants.HF_HUB_CACHE} does not hold {repository}@{revision or 'main'}"
    bring = (
        f"Run, where there is a network: chronotick models pull {model}; "
        f"or give a directory: {_option(model)}"
    )
    if constants.HF_HUB_OFFLINE:
        raise FileNotFoundError(f"{where}, and HF_HUB_OFFLINE forbids a download. {bring}")
    _check_hub(constants.ENDPOINT, f"{where}, and", bring)
    try:
        snapshot = Path(
            snapshot_download(repository, revision=revision, allow_patterns=list(DOWNLOADED))
        )
    except (OSError, ValueError) as error:  # what the hub's own errors derive from
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileNotFoundError(f"{where}, and the hub said: {reason}. {bring}") from error
    _check_directory(snapshot, model, needed)
    return Weights(snapshot, f"{repository}@{snapshot.name}")


def _check_hub(endpoint: str, where: str, bring: str) -> None:
    """Fail within seconds, not after half a minute of retries, when the hub cannot be reached."""
    import socket
    from urllib.parse import urlsplit

    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
        return  # the proxy resolves the name
    url = urlsplit(endpoint)
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname or "", port), timeout=_HUB_TIMEOUT_S).close()
    except OSError as error:
        raise FileNotFoundError(
            f"{where} {endpoint} cannot be reached ({error}). {bring}"
        ) from error
