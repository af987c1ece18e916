"""Where weights are: a directory, a plugin's package, the hub's cache on this machine, or the hub.

For model classes that load checkpoints of the Hugging Face hub, and for whoever wants to know
whether they could. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from chronotick.hub import (
    CONFIG,
    TENSORS,
    Hub,
    HubProblem,
    cache_directory,
    download,
    entry,
    lacking,
    tensor_files,
)
from chronotick.hub.errors import UnusableWeights
from chronotick.hub.tensors import check_tensors

__all__ = [
    "CONFIG",
    "TENSORS",
    "Weights",
    "find",
    "is_offline",
    "is_shipped",
    "locate",
    "looks_like_path",
    "missing",
    "split",
]

_REPOSITORY: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_REVISION: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
_SHIPPED: Final = re.compile(r"(?P<package>[A-Za-z_]\w*):(?P<directory>\w[\w.-]*)", re.ASCII)
_FOLDER: Final = "weights"
_YES: Final = {"1", "ON", "TRUE", "YES"}  # as the hub's own library reads its variables


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights on this machine.

    Attributes:
        directory: that holds them.
        name: what they are: that directory, package and directory, or hub id and commit.
        mend: what to do when they turn out to be damaged; a sentence.
    """

    directory: Path
    name: str
    mend: str = ""

    def files(self) -> list[Path]:
        """Return the files that hold tensors: ``model.safetensors``, or the shards of its index.

        What else lies there, of an optimiser or another model, is not of these weights.
        """
        return tensor_files(self.directory)

    def config(self, file: str = CONFIG) -> dict[str, Any]:
        """Return the settings beside the tensors.

        Args:
            file: that holds them.

        Raises:
            ValueError: they are no JSON object; with the file and what to do.
        """
        path = self.directory / file
        with self.blamed(f"{path} cannot be read"):
            settings = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise self.unusable(f"{path} holds no JSON object")
        return settings

    def check(self) -> None:
        """Look at the headers of all files that hold tensors; no tensor is read.

        Raises:
            ValueError: a file is damaged; with the file and what to do.
        """
        for path in self.files():
            with self.blamed(f"{path} is damaged"):
                check_tensors(path)

    @contextmanager
    def blamed(self, what: str = "its settings do not make a model") -> Iterator[None]:
        """Name these weights, and what to do, in whatever a library says while it reads them.

        Raises:
            ValueError: in place of every other exception.
        """
        try:
            yield
        except UnusableWeights as error:  # our own sentence, which begins with the file
            raise self.unusable(f"{what}: it {_without_file(str(error))}") from error
        except Exception as error:  # libraries raise whatever comes of what they did not expect
            raise self.unusable(f"{what}: {type(error).__name__}: {error}") from error

    def unusable(self, why: str) -> ValueError:
        """Return the error to raise: these weights cannot be used."""
        return ValueError(f"{self.name} cannot be used: {why}. {self.mend}".rstrip())


def _without_file(sentence: str) -> str:
    return re.sub(r"^\S*\.safetensors ", "", sentence)


def locate(checkpoint: str, model: str, *, needed: Sequence[str] = (CONFIG,)) -> Weights:
    """Find weights, downloading them if they are on the hub only.

    The local cache comes first: then nothing is asked of any network.

    Args:
        checkpoint: a directory, ``package:directory`` of weights that come with a plugin,
            ``org/name`` or ``org/name@revision``.
        model: name of the model, as commands take it.
        needed: files that must be there besides the tensors.

    Raises:
        FileNotFoundError: they are nowhere; the message says what is missing, where it was looked
            for and what brings it.
        ValueError: they are there, and damaged.
    """
    weights = find(checkpoint, model, needed=needed) or _download(checkpoint, model, needed)
    weights.check()
    return weights


def find(checkpoint: str, model: str, *, needed: Sequence[str] = (CONFIG,)) -> Weights | None:
    """Find weights without a network: a directory, a plugin's, or what the hub's cache holds.

    Whether they are whole is for :meth:`Weights.check` to say.

    Returns:
        ``None`` when a hub id is not, or not completely, in the cache.

    Raises:
        FileNotFoundError: a directory is not there or lacks files, or it is no hub id; or a
            plugin does not come with such weights.
    """
    path = Path(checkpoint).expanduser()
    if looks_like_path(checkpoint):
        _check_directory(path, model, needed)
        return Weights(path, str(path), f"{_belongs(model)}.")
    if is_shipped(checkpoint):
        return _shipped(checkpoint, needed)
    repository, revision = split(checkpoint, model)
    snapshot = entry(repository).snapshot(revision)
    if snapshot is None or lacking(snapshot, needed):
        return None
    return _cached(snapshot, checkpoint, model)


def looks_like_path(checkpoint: str) -> bool:
    """Tell a directory from a hub id: it is there, or written as only a path is."""
    if checkpoint.startswith(("/", "./", "../", "~")) or checkpoint in {".", ".."}:
        return True
    return bool(checkpoint) and Path(checkpoint).is_dir()


def is_shipped(checkpoint: str) -> bool:
    """Tell weights that come with a plugin, ``package:directory``, from all others."""
    return not looks_like_path(checkpoint) and _SHIPPED.fullmatch(checkpoint) is not None


def _shipped(checkpoint: str, needed: Sequence[str]) -> Weights:
    """Find weights among a package's data, without importing it.

    Raises:
        FileNotFoundError: there is no such package, or it does not come with them.
    """
    package, _, name = checkpoint.partition(":")
    found = None
    with suppress(ImportError, ValueError):
        found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"{checkpoint}: no package {package} is installed")
    directory = Path(found.submodule_search_locations[0]) / _FOLDER / name
    again = "Install the plugin again: pip install --force-reinstall"
    distribution = package.replace("_", "-")
    lacks = lacking(directory, needed)
    if lacks:
        what = f"lacks {' and '.join(lacks)}" if directory.is_dir() else "is not there"
        raise FileNotFoundError(f"{checkpoint}: {directory} {what}. {again} {distribution}")
    return Weights(directory, checkpoint, f"{again} {distribution}")


def split(checkpoint: str, model: str) -> tuple[str, str | None]:
    """Take a hub id apart into repository and revision.

    Raises:
        FileNotFoundError: it is none.
    """
    repository, at, revision = checkpoint.partition("@")
    named = _REVISION.fullmatch(revision) if at else True
    if not _REPOSITORY.fullmatch(repository) or not named or ".." in checkpoint:
        raise FileNotFoundError(
            f"{checkpoint!r} is neither a directory nor a hub id (org/name[@revision]). "
            f"Give one: {_option(model)}"
        )
    return repository, revision or None


def missing(
    checkpoint: str,
    model: str,
    why: str = "",
    *,
    needed: Sequence[str] = (CONFIG,),
    usual: bool = False,
) -> str:
    """Say that the cache does not hold a hub id, where that is, and what brings it.

    Args:
        checkpoint: the hub id.
        model: name of the model.
        why: it was not downloaded, ``""`` if nobody tried.
        needed: files that must be there besides the tensors.
        usual: these are the weights the model has without being told.
    """
    repository, revision = split(checkpoint, model)
    snapshot = entry(repository).snapshot(revision)
    holds = f"{repository}@{revision or 'main'}"
    if snapshot is None:
        where = f"the cache {cache_directory()} does not hold {holds}"
    else:
        where = f"{holds} in {snapshot} lacks {' and '.join(lacking(snapshot, needed))}"
    named = "" if usual else f" --checkpoint {checkpoint}"
    return (
        f"{where}{f', and {why}' if why else ''}. Run, where there is a network: "
        f"chronotick models pull {model}{named}; or give a directory: {_option(model)}"
    )


def _option(model: str) -> str:
    return f"--checkpoint {model}=DIR"


def _check_directory(path: Path, model: str, needed: Sequence[str]) -> None:
    if not path.is_dir():
        raise FileNotFoundError(f"there is no directory {path}. Give one: {_option(model)}")
    names = lacking(path, needed)
    if names:
        raise FileNotFoundError(f"{path} lacks {' and '.join(names)}. {_belongs(model)}")


def _belongs(model: str) -> str:
    return (
        f"The directory must hold what `chronotick models pull {model}` brings, or "
        f"`chronotick models tiny {model} --out DIR` writes"
    )


def _cached(snapshot: Path, checkpoint: str, model: str) -> Weights:
    repository, _revision = split(checkpoint, model)
    pull = f"chronotick models pull {model} --checkpoint {checkpoint}"
    return Weights(
        snapshot, f"{repository}@{snapshot.name}", f"Run, where there is a network: {pull}"
    )


def _download(checkpoint: str, model: str, needed: Sequence[str]) -> Weights:
    if is_offline(os.environ):
        why = "HF_HUB_OFFLINE forbids a download"
        raise FileNotFoundError(missing(checkpoint, model, why, needed=needed))
    repository, revision = split(checkpoint, model)
    hub = Hub.from_environment()
    try:
        snapshot = download(hub, hub.release(repository, revision), progress=_log())
    except HubProblem as error:
        raise FileNotFoundError(missing(checkpoint, model, str(error), needed=needed)) from error
    _check_directory(snapshot, model, needed)
    return _cached(snapshot, checkpoint, model)


def is_offline(environ: Mapping[str, str]) -> bool:
    """Tell whether ``HF_HUB_OFFLINE`` forbids downloads."""
    return environ.get("HF_HUB_OFFLINE", "").upper() in _YES


def _log() -> Callable[[str, int, int], None]:
    """Tell the daemon's log, where a worker's standard error goes, of every tenth."""
    told = 0

    def tell(name: str, done: int, total: int) -> None:
        nonlocal told
        tenths = 10 * done // total if total else 10
        if tenths > told:
            told = tenths
            sys.stderr.write(f"downloading {name}: {10 * tenths} % of {total / 1e6:.0f} MB\n")

    return tell
