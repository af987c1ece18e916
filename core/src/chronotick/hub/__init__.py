"""Weights from the Hugging Face hub, in the hub's own cache on this machine.

Standard library only: workers, the daemon and the command line use it alike, and it is there before
any model's environment is. What it lays down is what the hub's own library finds, and the other
way round. Why not that library: it (2.4) deletes what came of a download that was interrupted, and
it would have to be installed beside the daemon before weights can be pulled.
"""

from chronotick.hub.cache import Entry, cache_directory, entry
from chronotick.hub.client import Hub, Release, RemoteFile
from chronotick.hub.content import CONFIG, TENSORS, lacking, size_bytes, tensor_files, wanted
from chronotick.hub.download import Progress, damaged, download
from chronotick.hub.errors import HubProblem, HubUnreachable, NoCache, OtherWeights, UnusableWeights
from chronotick.hub.importing import Imported, import_directory
from chronotick.hub.removal import Removal, removal

__all__ = [
    "CONFIG",
    "TENSORS",
    "Entry",
    "Hub",
    "HubProblem",
    "HubUnreachable",
    "Imported",
    "NoCache",
    "OtherWeights",
    "Progress",
    "Release",
    "RemoteFile",
    "Removal",
    "UnusableWeights",
    "cache_directory",
    "damaged",
    "download",
    "entry",
    "import_directory",
    "lacking",
    "removal",
    "size_bytes",
    "tensor_files",
    "wanted",
]
