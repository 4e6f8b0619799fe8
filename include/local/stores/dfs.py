"""The Data Lake (DFS) endpoint of a storage account, in front of Azurite, which has only the Blob one.

Requests of the Blob API go to Azurite as they came, so it is Azurite that checks their credentials. Requests of the DFS
API are checked here and carried out with blobs: a folder is an empty blob that says `hdi_isfolder`, an append is a
block, a flush is a block list, and a rename is a copy and a delete under one lock.

This is our own model of Azure, made after Microsoft's reference of the REST API. What passes against it shows that the
requests are well formed, signed and in an order that Azure documents, and what follows from the answers that Azure
documents. It does not show that Azure answers so. What it does not have: access control lists, leases, listings by DFS,
renaming folders, SASes of a folder, and appending to files that were not created here or were renamed since.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree as ET

from include.local.stores.azurite import ACCOUNT
from include.local.stores.dfs_access import Refused, authorize, shared_key

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

VERSION = "2023-11-03"
"""The version of the Blob API in which Azurite is asked."""
PATIENCE_SECONDS = 60.0
HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
"""Headers that belong to a connection and not to what it carries."""


@dataclass
class File:
    """A file that was created here, and what was appended to it."""

    metadata: dict[str, str]
    blocks: dict[int, int] = field(default_factory=dict)
    """The length of each append by its position."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: str, trust: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.trust = urlsplit(upstream), trust
        self.lock = threading.RLock()
        """Held while the namespace changes."""
        self.files: dict[tuple[str, str], File] = {}
        self.folders: set[tuple[str, str]] = set()
        """Those that are known to be there, of those that are."""


@contextmanager
def run(upstream: str, trust: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of the account at a new front, until the context ends.

    `upstream` is its address at Azurite, `trust` what an Azurite that speaks TLS is trusted by.
    """
    with _Server(upstream, trust) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{ACCOUNT}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait until the client acknowledges the headers
    server: _Server

    def _any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.sent = {name.lower(): value for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        _, self.container, self.name = (*unquote(path).strip("/").split("/", 2), "", "")[:3]
        with closing(self._connect()) as self.upstream:
            operation = self._operation()
            if operation is None:
                self._forward()
                return
            try:
                authorize(operation, self.container, self.command, self.path, self.sent)
                status, headers = getattr(self, f"_{operation}")()
                self._reply(status, headers)
            except Refused as error:
                document = {"error": {"code": error.code, "message": f"{error.code}, says the local server."}}
                headers = {"x-ms-error-code": error.code, "Content-Type": "application/json"}
                self._reply(error.status, headers, json.dumps(document).encode())

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815  # http.server's names

    def _operation(self) -> str | None:
        """The operation of the DFS API that is asked for; None when it is one of the Blob API."""
        if self.command == "PUT" and "x-ms-rename-source" in self.sent:
            return "rename"
        if self.command == "PUT" and self.query.get("resource") in {"directory", "file"}:
            return "create"
        if self.command == "DELETE" and "recursive" in self.query:
            return "delete"
        if self.command == "PATCH" or "resource" in self.query or "action" in self.query:
            return self.query.get("action", "unknown")
        return None

    def _create(self) -> tuple[int, dict[str, str]]:
        folder = self.query["resource"] == "directory"
        with self.server.lock:
            found = self._properties(self.name)
            self._check(found)
            if found and _is_folder(found) != folder:
                raise Refused(409, "PathConflict")
            parts = self.name.split("/")
            for depth in range(1, len(parts) + folder):
                self._make_folder("/".join(parts[:depth]))
            if folder:
                return 201, {}
            pairs = [pair.split("=", 1) for pair in self.sent.get("x-ms-properties", "").split(",") if pair]
            metadata = {f"x-ms-meta-{name.strip()}": base64.b64decode(value).decode() for name, value in pairs}
            answer = self._blob("PUT", self.name, headers={"x-ms-blob-type": "BlockBlob", **metadata})
            self.server.files[self.container, self.name] = File(metadata)
        return 201, _validators(answer)

    def _append(self) -> tuple[int, dict[str, str]]:
        file, position = self._file(), self._position()
        md5 = base64.b64encode(hashlib.md5(self.body, usedforsecurity=False).digest()).decode()
        if self.sent.get("content-md5", md5) != md5:
            raise Refused(400, "Md5Mismatch")
        query = f"comp=block&blockid={quote(_block(position, len(self.body)))}"
        self._blob("PUT", self.name, query, {"Content-MD5": md5}, self.body)
        file.blocks[position] = len(self.body)
        return 202, {}

    def _flush(self) -> tuple[int, dict[str, str]]:
        with self.server.lock:
            file, position = self._file(), self._position()
            if {"if-match", "if-none-match"} & self.sent.keys():
                self._check(self._properties(self.name))
            end, blocks = 0, ""
            while end < position and end in file.blocks:
                blocks += f"<Latest>{_block(end, file.blocks[end])}</Latest>"
                end += file.blocks[end]
            if end != position:
                raise Refused(400, "InvalidFlushPosition")
            properties = {name: value for name, value in self.sent.items() if name.startswith("x-ms-content-")}
            headers = {name.replace("x-ms-", "x-ms-blob-"): value for name, value in properties.items()}
            body = f"<?xml version='1.0' encoding='utf-8'?><BlockList>{blocks}</BlockList>".encode()
            answer = self._blob("PUT", self.name, "comp=blocklist", file.metadata | headers, body)
        return 200, _validators(answer)

    def _rename(self) -> tuple[int, dict[str, str]]:
        """As in an account with a hierarchical namespace, the folder of the new name must exist."""
        container, _, old = unquote(self.sent["x-ms-rename-source"].partition("?")[0]).strip("/").partition("/")
        folder = self.name.rpartition("/")[0]
        with self.server.lock:
            source, found = self._properties(old), self._properties(self.name)
            if source is None or container != self.container:
                raise Refused(404, "SourcePathNotFound")
            if _is_folder(source):
                raise Refused(501, "NotImplemented")
            if folder and not self._has_folder(folder):
                raise Refused(404, "RenameDestinationParentPathNotFound")
            self._check(source, "x-ms-source-if-", "SourceConditionNotMet")
            self._check(found)
            if found and _is_folder(found):
                raise Refused(409, "PathAlreadyExists")
            address = f"{self.server.upstream.scheme}://{self.server.upstream.netloc}{self._path(old)}"
            answer = self._blob("PUT", self.name, headers={"x-ms-copy-source": address})
            self._remove(old)
            self.server.files.pop((self.container, self.name), None)
        return 201, _validators(answer)

    def _delete(self) -> tuple[int, dict[str, str]]:
        with self.server.lock:
            found = self._properties(self.name)
            if found is None:
                raise Refused(404, "PathNotFound")
            self._check(found)
            if _is_folder(found):
                query = f"restype=container&comp=list&prefix={quote(f'{self.name}/', safe='')}"
                listing = ET.fromstring(self._blob("GET", "", query)["body"])  # noqa: S314  # it is Azurite's
                names = [str(name.text) for name in listing.iter("Name")]
                if names and self.query["recursive"] != "true":
                    raise Refused(409, "DirectoryNotEmpty")
                for name in names:
                    self._remove(name)
            self._remove(self.name)
        return 200, {}

    def _check(self, found: Mapping[str, str] | None, condition: str = "if-", code: str = "ConditionNotMet") -> None:
        """Raise `Refused` when what is there does not meet the conditions of the request."""
        match, none_match = self.sent.get(f"{condition}match"), self.sent.get(f"{condition}none-match")
        if found and none_match == "*":
            raise Refused(409, "PathAlreadyExists")
        if (match and (not found or match not in {"*", found["etag"]})) or (found and none_match == found["etag"]):
            raise Refused(412, code)

    def _file(self) -> File:
        if file := self.server.files.get((self.container, self.name)):
            return file
        raise Refused(501, "NotImplemented") if self._properties(self.name) else Refused(404, "PathNotFound")

    def _position(self) -> int:
        if "position" not in self.query:
            raise Refused(400, "MissingRequiredQueryParameter")
        return int(self.query["position"])

    def _properties(self, name: str) -> Mapping[str, str] | None:
        """The headers of a blob; None when there is none. Raises `Refused` when there is no such container."""
        answer = self._blob("HEAD", name)
        if answer.get("x-ms-error-code") == "ContainerNotFound":
            raise Refused(404, "FilesystemNotFound")
        return answer if answer["status"] == "200" else None

    def _make_folder(self, name: str) -> None:
        if not self._has_folder(name):
            if self._properties(name):
                raise Refused(409, "PathConflict")
            self._blob("PUT", name, headers={"x-ms-blob-type": "BlockBlob", "x-ms-meta-hdi_isfolder": "true"})
            self.server.folders.add((self.container, name))

    def _has_folder(self, name: str) -> bool:
        return (self.container, name) in self.server.folders or _is_folder(self._properties(name) or {})

    def _remove(self, name: str) -> None:
        self._blob("DELETE", name)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self.server.files.pop((self.container, name), None)
        self.server.folders.discard((self.container, name))

    def _path(self, name: str) -> str:
        return f"/{ACCOUNT}/{self.container}" + (f"/{quote(name)}" if name else "")

    def _connect(self) -> HTTPConnection:
        host, port = str(self.server.upstream.hostname), self.server.upstream.port
        if self.server.upstream.scheme == "https":
            return HTTPSConnection(host, port, timeout=PATIENCE_SECONDS, context=self.server.trust)
        return HTTPConnection(host, port, timeout=PATIENCE_SECONDS)

    def _blob(
        self, method: str, name: str, query: str = "", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> dict[str, str]:
        """Ask Azurite with the account's key. The answer's headers, lower-case, with its `status` and `body`.

        Raises `Refused` as Azurite does, except for what is not there.
        """
        path = f"{self._path(name)}?{query}" if query else self._path(name)
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION, "Content-Length": str(len(body))}
        sent |= headers or {}
        signature = shared_key(method, path, {name.lower(): value for name, value in sent.items()})
        self.upstream.request(method, path, body, sent | {"Authorization": f"SharedKey {ACCOUNT}:{signature}"})
        answer = self.upstream.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        found |= {"status": str(answer.status), "body": answer.read().decode()}
        if answer.status >= 400 and answer.status != 404:  # noqa: PLR2004
            raise Refused(answer.status, found.get("x-ms-error-code", "InternalError"))
        return found

    def _forward(self) -> None:
        """Let Azurite answer."""
        self.upstream.request(self.command, self.path, self.body, dict(self.headers))
        answer = self.upstream.getresponse()
        if self.command in {"PUT", "DELETE"} and answer.status < 300:  # noqa: PLR2004
            self._forget(self.name)
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        length = answer.getheader("content-length") if self.command == "HEAD" else None
        self._reply(answer.status, headers, answer.read(), length)

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes = b"", length: str | None = None) -> None:
        """Answer; the `length` of what a HEAD is about, and does not get, is not that of its body."""
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": length or str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _is_folder(properties: Mapping[str, str]) -> bool:
    return properties.get("x-ms-meta-hdi_isfolder") == "true"


def _validators(answer: Mapping[str, str]) -> dict[str, str]:
    return {"ETag": answer["etag"], "Last-Modified": answer["last-modified"]}


def _block(position: int, length: int) -> str:
    return base64.b64encode(f"{position:020d}-{length:010d}".encode()).decode()
