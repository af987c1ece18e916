"""A hub on loopback that serves what it is given, with faults on demand: for tests."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-")
_FOUND = 302


def tensors_file(tensors: Mapping[str, int]) -> bytes:
    """Return a safetensors file with vectors of zeros, by name and number of float32 values."""
    header, end = {}, 0
    for name, length in tensors.items():
        offsets = [end, end + 4 * length]
        header[name] = {"dtype": "F32", "shape": [length], "data_offsets": offsets}
        end = offsets[1]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A repository as the hub has it: ``revisions`` maps names to commits."""

    commit: str
    files: Mapping[str, bytes]
    licence: str
    revisions: Mapping[str, str]


@dataclass(slots=True)
class FakeHub:
    """What is served, what goes wrong, and what was asked for.

    Attributes:
        endpoint: for ``HF_ENDPOINT``.
        gated: repositories that only the holder of ``token`` may read.
        token: that is accepted.
        cuts: how many bytes of each of the next bodies are sent before the connection is cut;
            ``-1``: all of it.
        altered: files that are served with one byte changed.
        no_ranges: whether ``Range`` is ignored, as some proxies do.
        announced: sizes that are announced instead of the real ones, by name of the file.
        said: fields of every repository's description that are answered instead of the real ones.
        requests: path and range of each request, oldest first.
        told_cdn: whether the token was shown to the host that large files come from.
    """

    endpoint: str
    gated: set[str] = field(default_factory=set)
    token: str = "hf_secret"  # noqa: S105 - of this fake
    cuts: list[int] = field(default_factory=list)
    altered: set[str] = field(default_factory=set)
    no_ranges: bool = False
    announced: dict[str, int] = field(default_factory=dict)
    said: dict[str, object] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    told_cdn: bool = False
    repositories: dict[str, Published] = field(default_factory=dict)

    def publish(
        self,
        repository: str,
        files: Mapping[str, bytes],
        *,
        licence: str = "apache-2.0",
        tags: tuple[str, ...] = (),
    ) -> str:
        """Serve files as the main branch of ``org/name``, and as ``tags``; returns the commit."""
        listing = sorted((name, _git_hash(content)) for name, content in files.items())
        commit = hashlib.sha1(repr(listing).encode(), usedforsecurity=False).hexdigest()
        revisions = dict.fromkeys(("main", commit, *tags), commit)
        self.repositories[repository] = Published(
            commit=commit, files=dict(files), licence=licence, revisions=revisions
        )
        return commit

    def bodies(self) -> list[tuple[str, str]]:
        """Return name and range of each file that was asked for."""
        return [(path.rpartition("/")[2], span) for path, span in self.requests if "/cdn/" in path]


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    """Serve a hub for the length of a ``with`` block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    port = server.server_address[1]
    hub = FakeHub(f"http://127.0.0.1:{port}")
    server.hub = hub  # type: ignore[attr-defined] # for the handlers
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> FakeHub:
        hub: FakeHub = self.server.hub  # type: ignore[attr-defined] # set where it is made
        return hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        del format, args

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((path, self.headers.get("Range", "")))
        about = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        cdn = re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path)
        if cdn:
            self._body(self.hub.repositories[cdn[1]], cdn[2])
        elif about and (found := self._find(about[1], about[2])):
            said = _described(found, self.hub.announced) | self.hub.said
            self._send(json.dumps(said).encode())
        elif file and (found := self._find(file[1], file[2])):
            self._redirect(found, file[1], file[3])

    def _find(self, repository: str, revision: str) -> Published | None:
        found = self.hub.repositories.get(repository)
        allowed = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if found is None:
            self._refuse(401, "RepoNotFound")  # what the hub says to those without a token
        elif repository in self.hub.gated and not allowed:
            self._refuse(401, "GatedRepo")
        elif revision not in found.revisions:
            self._refuse(404, "RevisionNotFound")
        else:
            return found
        return None

    def _redirect(self, found: Published, repository: str, name: str) -> None:
        """Files come from another host, as the hub's large ones do."""
        if name not in found.files:
            self._refuse(404, "EntryNotFound")
            return
        content = found.files[name]
        port = urlsplit(self.hub.endpoint).port
        self.send_response(_FOUND)
        self.send_header("Location", f"http://localhost:{port}/cdn/{repository}/{name}")
        self.send_header("X-Repo-Commit", found.commit)
        self.send_header("X-Linked-Etag", f'"{_hash(name, content)}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self, found: Published, name: str) -> None:
        self.hub.told_cdn |= "Authorization" in self.headers
        content = found.files[name]
        if name in self.hub.altered:
            content = bytes([content[0] ^ 1]) + content[1:]
        span = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(span[1]) if span and not self.hub.no_ranges else 0
        self._send(content[start:], 206 if start else 200, self._cut())

    def _cut(self) -> int:
        if self.command == "HEAD" or not self.hub.cuts:
            return -1
        return self.hub.cuts.pop(0)

    def _send(self, content: bytes, status: int = 200, cut: int = -1) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(content if cut < 0 else content[:cut])
        if cut >= 0:
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _described(found: Published, announced: Mapping[str, int]) -> dict[str, object]:
    return {
        "sha": found.commit,
        "cardData": {"license": found.licence} if found.licence else None,
        "tags": ["region:us"],
        "siblings": [
            _sibling(name, content, announced.get(name, len(content)))
            for name, content in found.files.items()
        ],
    }


def _sibling(name: str, content: bytes, size: int) -> dict[str, object]:
    about: dict[str, object] = {"rfilename": name, "size": size, "blobId": _git_hash(content)}
    if _is_large(name):
        about["lfs"] = {"sha256": _hash(name, content), "size": size, "pointerSize": 134}
    return about


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def _hash(name: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if _is_large(name) else _git_hash(content)


def _git_hash(content: bytes) -> str:
    whole = f"blob {len(content)}\0".encode() + content
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()
