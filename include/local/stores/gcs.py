"""gcp-storage-emulator, a Google Cloud Storage server in this process that keeps everything in memory.

What Google does and the emulator does not, `Emulator` adds: preconditions, rights, and keys that encrypt. Anybody may
ask this server, with the rights that the destination's documentation asks for.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from gcp_storage_emulator.exceptions import BadRequest
from gcp_storage_emulator.server import Router
from gcp_storage_emulator.storage import Storage
from requests.structures import CaseInsensitiveDict

from include.exports import GcsDestination
from include.exports.destinations import gcs
from include.local.stores import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BUCKET = "exports"
CONN_ID = "local_gcs"
RIGHTS = {"POST": "storage.objects.create", "GET": "storage.objects.get", "DELETE": "storage.objects.delete"}
LIST = "storage.objects.list"
_API = re.compile(r"(/upload|/download)?/storage/v1/b/(?P<bucket>[^/]+)/o(/(?P<name>.+))?")
_SIGNED = re.compile(r"/(?P<bucket>[^/]+)/(?P<name>.+)")
_KEY = "x-goog-encryption-key-sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Exception):
    """An answer that is not what was asked for."""

    status: int
    reason: str
    message: str

    def document(self) -> bytes:
        """As Google writes it."""
        error = {"message": self.message, "domain": "global", "reason": self.reason}
        return json.dumps({"error": {"code": self.status, "message": self.message, "errors": [error]}}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request, taken apart."""

    method: str
    target: str
    """Path and query, as they were sent."""
    headers: CaseInsensitiveDict[str]
    query: Mapping[str, str]
    bucket: str
    name: str
    """Of the object; empty where the bucket is asked."""


class Emulator:
    """The emulator, refusing what Google refuses."""

    def __init__(self) -> None:
        logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)  # it warns of each answer that is no file
        self.storage = _Memory()
        self._one_at_a_time = threading.Lock()  # what is checked must still hold when it is done

    def make_bucket(self, name: str) -> None:
        """An empty bucket that keeps nothing of what is removed."""
        self.storage.create_bucket(name, {"name": name, "softDeletePolicy": {"retentionDurationSeconds": "0"}})

    def may(self, question: Question, right: str) -> bool:  # noqa: ARG002  # anybody, everywhere
        """Whether who asks has a right on what is asked for. Raises `Refusal` when it is not known who asks."""
        return right in documented_rights()

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a request."""
        call = _Call(self.storage, target, CaseInsensitiveDict(headers), body)
        try:
            question = self._question(method, call, body)
            with self._one_at_a_time:
                self._check(question)
                Router(call).handle(method)
                self._complete(question, call)
        except Refusal as refusal:
            return refusal.status, {"Content-Type": "application/json"}, refusal.document()
        return call.status, call.sent, call.wfile.getvalue()

    def _question(self, method: str, call: _Call, body: bytes) -> Question:
        url = urlsplit(call.path)
        query = dict(parse_qsl(url.query))
        found = _API.fullmatch(url.path) or _SIGNED.fullmatch(url.path)
        if found is None:
            raise Refusal(status=404, reason="notFound", message="Not Found")
        name = unquote(found["name"] or "")
        if method == "POST":
            described = body[body.index(b"{") :][: 1 << 16].decode(errors="replace")  # the file's bytes come after it
            name = json.JSONDecoder().raw_decode(described)[0]["name"]
        elif upload := query.get("upload_id"):
            name = self.storage.resumable.get(upload, {"name": ""})["name"]
        bucket = unquote(found["bucket"])
        return Question(method=method, target=call.path, headers=call.headers, query=query, bucket=bucket, name=name)

    def _check(self, question: Question) -> None:
        if question.bucket not in self.storage.buckets:
            raise Refusal(status=404, reason="notFound", message="The specified bucket does not exist.")
        found = self._found(question)
        if question.method != "PUT":  # the address of an upload is a secret that grants what it was begun for
            self._check_right(question, RIGHTS[question.method] if question.name else LIST)
        if found is None and question.name and question.method in {"GET", "DELETE"}:
            if question.method == "GET":
                self._check_right(question, LIST)
            raise Refusal(status=404, reason="notFound", message=f"No such object: {question.name}")
        expected = question.query.get("ifGenerationMatch")
        if expected is not None and expected != (found["generation"] if found else "0"):
            self.storage.resumable.pop(question.query.get("upload_id"), None)  # that upload is over
            message = "At least one of the pre-conditions you specified did not hold."
            raise Refusal(status=412, reason="conditionNotMet", message=message)
        if found and question.method == "POST":
            self._check_right(question, RIGHTS["DELETE"])
        if found and question.query.get("alt") == "media":
            _check_readable(question, found)

    def _check_right(self, question: Question, right: str) -> None:
        if not self.may(question, right):
            message = f"The caller does not have {right} access to {question.name!r} (or it may not exist)."
            raise Refusal(status=403, reason="forbidden", message=message)

    def _complete(self, question: Question, call: _Call) -> None:
        """Say the generation of what is read, and note the keys that an upload names."""
        if question.method == "GET" and (found := self._found(question)):
            call.send_header("X-Goog-Generation", found["generation"])
        if question.method == "POST":
            begun = question.query["uploadType"] == "resumable"
            made = [*self.storage.resumable.values()][-1] if begun else self._found(question)
            if key := question.query.get("kmsKeyName"):
                made["kmsKeyName"] = f"{key}/cryptoKeyVersions/1"
            if digest := question.headers.get(_KEY):
                made["customerEncryption"] = {"encryptionAlgorithm": "AES256", "keySha256": digest}

    def _found(self, question: Question) -> Any:
        """The object that is asked for; None when there is none, or not this generation of it."""
        found = self.storage.objects.get(question.bucket, {}).get(question.name)
        return found if found and question.query.get("generation", found["generation"]) == found["generation"] else None


def _check_readable(question: Question, found: Mapping[str, Any]) -> None:
    first = re.match(r"bytes=(\d+)-", question.headers.get("range") or "")
    if first and int(first[1]) >= int(found["size"]):
        raise Refusal(status=416, reason="requestedRangeNotSatisfiable", message="Request range not satisfiable")
    if found.get("customerEncryption", {}).get("keySha256") != question.headers.get(_KEY):
        message = "The target object is encrypted by a customer-supplied encryption key."
        raise Refusal(status=400, reason="resourceIsEncryptedWithCustomerEncryptionKey", message=message)


class _Memory(Storage):  # type: ignore[misc]  # ships no types
    """The emulator's memory, which otherwise writes a list of all objects at each change, and copies an upload's
    bytes at each chunk."""

    def __init__(self) -> None:
        super().__init__(use_memory_fs=True)
        self._received: dict[str, list[bytes]] = {}

    def _write_config_to_file(self) -> None:
        """There is no file."""

    def get_resumable_byte_count(self, file_id: str) -> int:
        return sum(map(len, self._received.get(file_id, [])))

    def add_to_resumable_upload(
        self, file_id: str, content: bytes, total_size: int | None = None, expected_start: int | None = None
    ) -> bytes | None:
        received = self.get_resumable_byte_count(file_id)
        if expected_start not in {None, received}:
            raise BadRequest(f"{received} bytes were received, the next ones begin at {expected_start}")
        self._received.setdefault(file_id, []).append(content)
        if total_size is None or received + len(content) < total_size:
            return None
        return b"".join(self._received.pop(file_id))


class _Call:
    """What the emulator takes for its request handler: a request that was read, and the answer to it."""

    server_address = ("127.0.0.1", 0)

    def __init__(self, storage: Storage, target: str, headers: CaseInsensitiveDict[str], body: bytes) -> None:
        self.storage, self.path, self.headers, self.server = storage, target, headers, self
        self.rfile, self.wfile = BytesIO(body), BytesIO()
        self.status, self.sent = 0, dict[str, str]()

    def send_response(self, status: int, _: str) -> None:
        self.status = status

    def send_header(self, name: str, value: str) -> None:
        self.sent[name] = value

    def end_headers(self) -> None:
        """They are kept."""


class _Handler(BaseHTTPRequestHandler):
    """Keeps connections open, as Google does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait until the client acknowledges the headers
    emulator: Emulator

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, content = self.emulator.answer(self.command, self.path, dict(self.headers), body)
        self.send_response_only(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = _any  # noqa: N815  # http.server's names


@contextmanager
def serve(_: Path) -> Iterator[LocalStore]:
    """A bucket that anybody may use, with the rights that the destination's documentation asks for."""
    emulator = Emulator()
    emulator.make_bucket(BUCKET)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"emulator": emulator})) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield LocalStore(
                destination=GcsDestination(conn_id=CONN_ID, bucket=BUCKET),
                connections={CONN_ID: connection(f"http://127.0.0.1:{server.server_port}", is_anonymous=True)},
            )
        finally:
            server.shutdown()


def connection(url: str, **extra: Any) -> str:
    """The Airflow connection to a server, in JSON."""
    extra = {"gcs.endpoint": url, "project": "local"} | extra
    return json.dumps({"conn_type": "google_cloud_platform", "extra": extra})


def documented_rights() -> frozenset[str]:
    """The rights of the role that the destination's documentation says to create."""
    (found,) = re.findall(r"```json policy\n(.*?)```", gcs.__doc__ or "", re.DOTALL)
    return frozenset(json.loads(found)["includedPermissions"])
