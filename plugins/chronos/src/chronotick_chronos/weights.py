"""Where the weights are: a directory, the hub's local cache, or the hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_CONFIG: Final = "config.json"
_WEIGHTS: Final = ("model.safetensors", "model.safetensors.index.json")
_OPTION: Final = "--checkpoint chronos=DIR"


def locate(checkpoint: str) -> tuple[Path, str]:
    """Find weights, downloading them if they are on the hub only.

    The local cache comes first: asking an unreachable hub takes half a minute to fail.

    Args:
        checkpoint: a directory, ``org/name`` or ``org/name@revision``.

    Returns:
        The directory they are in, and what they are: that directory, or hub id and commit.

    Raises:
        FileNotFoundError: they are nowhere; the message says what is missing, where it was looked
            for and what brings it.
    """
    path = Path(checkpoint).expanduser()
    if path.is_dir() or checkpoint.startswith(("/", "./", "../", "~")):
        _check_directory(path)
        return path, str(path)
    repository, _, revision = checkpoint.partition("@")
    if repository.count("/") != 1:
        raise FileNotFoundError(
            f"{checkpoint!r} is neither a directory nor a hub id (org/name[@revision]). "
            f"Give one: {_OPTION}"
        )
    snapshot = _cached(repository, revision or None) or _download(repository, revision or None)
    _check_directory(snapshot)
    return snapshot, f"{repository}@{snapshot.name}"


def _check_directory(path: Path) -> None:
    if not path.is_dir():
        raise FileNotFoundError(f"there is no directory {path}. Give one: {_OPTION}")
    missing = [] if (path / _CONFIG).is_file() else [_CONFIG]
    if not any((path / name).is_file() for name in _WEIGHTS):
        missing.append(_WEIGHTS[0])
    if missing:
        raise FileNotFoundError(
            f"{path} lacks {' and '.join(missing)}. It must hold what save_pretrained writes, "
            "or what `hf download` brings"
        )


def _cached(repository: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = [
        try_to_load_from_cache(repository, name, revision=revision) for name in (_CONFIG, *_WEIGHTS)
    ]
    config, *weights = (Path(item) if isinstance(item, str) else None for item in found)
    return config.parent if config is not None and any(weights) else None


def _download(repository: str, revision: str | None) -> Path:
    from huggingface_hub import constants, snapshot_download

    where = f"the cache {constants.HF_HUB_CACHE} does not hold {repository}@{revision or 'main'}"
    bring = (
        f"Run, where there is a network: hf download {repository}; or give a directory: {_OPTION}"
    )
    if constants.HF_HUB_OFFLINE:
        raise FileNotFoundError(f"{where}, and HF_HUB_OFFLINE forbids a download. {bring}")
    _check_hub(constants.ENDPOINT, f"{where}, and", bring)
    try:
        return Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=["*.json", "*.safetensors"]
            )
        )
    except (OSError, ValueError) as error:  # what the hub's own errors derive from
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileNotFoundError(f"{where}, and the hub said: {reason}. {bring}") from error


def _check_hub(endpoint: str, where: str, bring: str) -> None:
    """Fail within seconds, not after half a minute of retries, when the hub cannot be reached."""
    import socket
    from urllib.parse import urlsplit

    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
        return  # the proxy resolves the name
    url = urlsplit(endpoint)
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise FileNotFoundError(
            f"{where} {endpoint} cannot be reached ({error}). {bring}"
        ) from error
