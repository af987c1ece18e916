"""What is asked of the hub: which files a revision has, and their bytes from any point on."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
)

from chronotick.hub.cache import COMMIT, MAIN, hub_home
from chronotick.hub.content import pickles, wanted
from chronotick.hub.errors import HubProblem, HubUnreachable, UnusableWeights

ENDPOINT: Final = "https://huggingface.co"
_TIMEOUT_S: Final = 10.0
_LONGEST_LISTING: Final = 2**24  # bytes of JSON; those of the largest repositories have a tenth
HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PERMANENT_REDIRECT: Final = 308
_TEMPORARY_REDIRECT: Final = 307


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file on the hub.

    Attributes:
        name: in its repository.
        size: in bytes.
        blob: SHA-256 of large files, Git's SHA-1 of small ones; also its name in the cache.
    """

    name: str
    size: int
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One commit of a repository, as far as it is wanted.

    Attributes:
        repository: ``org/name``.
        revision: as it was asked for, ``None`` for the main branch.
        commit: that this is.
        licence: of the weights as the repository states it, lower case; may be empty.
        files: tensors, settings, licence and readme, the tensors last.
    """

    repository: str
    revision: str | None
    commit: str
    licence: str
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The hub, or a mirror that speaks as it does.

    Attributes:
        endpoint: without a trailing slash.
        token: of a user, for repositories not everybody may read; may be empty.
    """

    endpoint: str = ENDPOINT
    token: str = ""
    _opener: OpenerDirector = field(default_factory=lambda: _opener(os.environ), repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Hub:
        """The hub that ``HF_ENDPOINT`` names, with the token of ``HF_TOKEN`` or the hub's login."""
        variables = os.environ if environ is None else environ
        endpoint = variables.get("HF_ENDPOINT", "").rstrip("/") or ENDPOINT
        return cls(endpoint=endpoint, token=_token(variables), _opener=_opener(variables))

    def release(self, repository: str, revision: str | None) -> Release:
        """Ask which files a revision has.

        Raises:
            HubUnreachable: no answer.
            UnusableWeights: it has no safetensors.
            HubProblem: there is no such repository or revision, or it is not for everybody.
        """
        where = f"/api/models/{repository}/revision/{quote(revision or MAIN, safe='')}?blobs=true"
        name = f"{repository}@{revision or MAIN}"
        try:
            with self._open(where, {}) as answer:
                text = answer.read(_LONGEST_LISTING + 1)
            if len(text) > _LONGEST_LISTING:
                raise HubProblem(f"{self.endpoint} lists endlessly what {name} has")
            about = json.loads(text)
            return _release(repository, revision, about)
        except HTTPError as error:
            raise self._explain(error, repository, revision) from error
        except (OSError, HTTPException) as error:
            raise HubUnreachable(f"{self.endpoint} cannot be reached ({reason(error)})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HubProblem(f"{self.endpoint} answered oddly about {name}: {error!r}") from error

    def open(self, release: Release, file: RemoteFile, start: int) -> HTTPResponse:
        """Open a file's bytes from ``start`` on; the status is 200 when all of it comes instead.

        Raises:
            HubUnreachable: no answer.
            HubProblem: the hub refuses.
        """
        where = f"/{release.repository}/resolve/{release.commit}/{quote(file.name)}"
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            return self._open(where, headers)
        except HTTPError as error:
            raise self._explain(error, release.repository, release.revision) from error
        except (OSError, HTTPException) as error:
            raise HubUnreachable(f"{self.endpoint} cannot be reached ({reason(error)})") from error

    def _open(self, where: str, headers: Mapping[str, str]) -> HTTPResponse:
        request = Request(self.endpoint + where, headers=dict(headers))  # noqa: S310 - as configured
        # What is not said to be identical may come compressed, and then has no size to resume at.
        request.add_header("Accept-Encoding", "identity")
        request.add_header("User-Agent", "chronotick")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        answer: HTTPResponse = self._opener.open(request, timeout=_TIMEOUT_S)
        return answer

    def _explain(self, error: HTTPError, repository: str, revision: str | None) -> HubProblem:
        said = error.headers.get("X-Error-Code", "")
        page = f"{self.endpoint}/{repository}"
        token = "the token in HF_TOKEN is of no use there" if self.token else "set HF_TOKEN"
        if said == "GatedRepo" or error.code == 403:  # noqa: PLR2004 - Forbidden
            return HubProblem(
                f"{repository} is only for those who accepted its terms: do so at {page}, then "
                f"give your token ({token})"
            )
        if said == "RevisionNotFound":
            return HubProblem(f"{repository} has no revision {revision or MAIN!r}: see {page}")
        if said == "EntryNotFound":
            return HubProblem(f"{repository} lost a file while it was downloaded: see {page}")
        if error.code in {401, 404}:
            return HubProblem(
                f"{self.endpoint} has no repository {repository}, or it is private "
                f"({token}, if it is yours)"
            )
        return HubUnreachable(f"{self.endpoint} answered {error.code} {error.reason}; try later")


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, as files on the hub need; only where it was sent to learns the token."""

    def redirect_request(  # noqa: PLR0917 - as declared there
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,  # noqa: ANN401 - as declared there
        newurl: str,
    ) -> Request | None:
        if code == _PERMANENT_REDIRECT:  # Python 3.10 does not know it
            code = _TEMPORARY_REDIRECT
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        # Scheme and host: what went out encrypted is not repeated in plain text.
        if following is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            following.remove_header("Authorization")
        return following

    http_error_308 = HTTPRedirectHandler.http_error_302


def reason(error: BaseException) -> str:
    """Return the cause of a failed connection in a few words."""
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause or type(error).__name__)


def _opener(environ: Mapping[str, str]) -> OpenerDirector:
    # Python itself honours SSL_CERT_FILE and the proxies' variables, but not this one.
    bundle = environ.get("REQUESTS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=bundle) if bundle else None
    return build_opener(_Redirects, HTTPSHandler(context=context))


def _token(environ: Mapping[str, str]) -> str:
    if environ.get("HF_TOKEN"):
        return environ["HF_TOKEN"].strip()
    try:
        return (hub_home(environ) / "token").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _release(repository: str, revision: str | None, about: Mapping[str, Any]) -> Release:
    names = [str(file["rfilename"]) for file in about["siblings"]]
    files = [_file(file) for file in about["siblings"] if wanted(file["rfilename"])]
    if not any(file.name.endswith(".safetensors") for file in files):
        unsafe = ", ".join(pickles(names))
        but = f"only pickles ({unsafe}), which run code when they are loaded" if unsafe else "none"
        raise UnusableWeights(
            f"{repository} has no safetensors file at the top, {but}. Nothing was downloaded"
        )
    commit = str(about["sha"])
    if not COMMIT.fullmatch(commit):  # it becomes the name of a directory
        raise ValueError(f"commit {commit!r:.80}")
    return Release(
        repository=repository,
        revision=revision,
        commit=commit,
        licence=_licence(about),
        files=tuple(sorted(files, key=_tensors_last)),
    )


def _tensors_last(file: RemoteFile) -> tuple[bool, str]:
    return file.name.endswith(".safetensors"), file.name


def _file(about: Mapping[str, Any]) -> RemoteFile:
    large = about.get("lfs")
    blob = str(large["sha256"] if large else about["blobId"])
    if not HASH.fullmatch(blob):  # it becomes the name of a file
        raise ValueError(f"hash {blob!r:.80}")
    name, size = about["rfilename"], about["size"]
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"size {size!r:.80} of {name}")
    return RemoteFile(name=name, size=size, blob=blob)


def _licence(about: Mapping[str, Any]) -> str:
    card = about.get("cardData") or {}
    stated = card.get("license_name") or card.get("license")
    if isinstance(stated, str):
        return stated.lower()
    tags = (tag.partition(":")[2] for tag in about.get("tags", ()) if tag.startswith("license:"))
    return next(tags, "")
