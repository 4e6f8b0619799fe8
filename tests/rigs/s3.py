"""A real S3 server for tests: moto in this process, where it can be made to fail.

moto checks signatures and policies; what else AWS does and moto does not, `Server` adds: signed addresses, a refusal
for what is not there and may not be listed, and the number of parts behind a composite checksum.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto import settings
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import create_environ, run_wsgi_app

from include.exports import S3Destination
from include.local.stores.s3 import client, connection, identity, policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

WRITES = {"PUT", "POST"}


def allow(*actions: str) -> str:
    """A policy, in JSON."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": "arn:aws:s3:::*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


POLICIES = {
    "admin": allow("s3:*"),
    "writer": policy().replace("arn:aws:s3:::exports/*", "arn:aws:s3:::*"),
    "keeper": allow("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"),
    "reader": allow("s3:GetObject"),
    "blind": allow("s3:PutObject", "s3:AbortMultipartUpload"),
}


@dataclass
class Fault:
    """What happens to the next requests of some methods whose query has some text in it."""

    how: str
    times: int
    query: str = ""


@dataclass
class Server:
    """moto behind a server that counts, refuses and fails."""

    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    """The access key of each identity of `POLICIES`."""
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: int = 0
    peers: set[tuple[str, int]] = field(default_factory=set)
    written: Counter[str] = field(default_factory=Counter)
    """How often each object was written to."""

    def __post_init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        handler = type("Handler", (_Handler,), {"server_of_ours": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        anybody = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        self.keys = {name: identity(self.url, anybody, name, document) for name, document in POLICIES.items()}
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # from now on every signature and policy is checked

    def answer(self, request: _Handler) -> tuple[str, dict[str, str], bytes] | None:
        """Status, headers and body; None to reset the connection."""
        method, (path, _, query) = request.command, request.path.partition("?")
        self.requests += 1
        self.written[unquote(path)] += method in WRITES
        self.peers.add(request.client_address)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        for fault in self.faults:
            if fault.times > 0 and method in WRITES and fault.query in query:
                fault.times -= 1
                return _failure(fault.how)
        headers = dict(request.headers)
        if "X-Amz-Signature=" in query:
            try:
                headers |= self._as_header(request)
            except PermissionError as error:
                return "403 Forbidden", {"content-type": "application/xml"}, _error("AccessDenied", str(error))
        environ = create_environ(path, self.url, method=method, headers=headers, data=body, query_string=query)
        chunks, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        return self._as_aws(request, status, {name.lower(): value for name, value in headers}, b"".join(chunks))

    def _as_header(self, request: _Handler) -> dict[str, str]:
        """The headers that say what the query of a signed address says, which moto cannot read.

        Raises `PermissionError` when its time has passed or its signature is another.
        """
        signed, _, given = request.path.partition("&X-Amz-Signature=")
        query = dict(parse_qsl(signed.partition("?")[2]))
        key, _, region, service, _ = query["X-Amz-Credential"].split("/")
        (secret,) = (each for each in self.keys.values() if each["aws_access_key_id"] == key)
        credentials = Credentials(key, secret["aws_secret_access_key"])
        began = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > began + timedelta(seconds=int(query["X-Amz-Expires"])):
            raise PermissionError("Request has expired")
        asked = AWSRequest(request.command, self.url + signed)
        asked.context["timestamp"] = query["X-Amz-Date"]
        signer = S3SigV4QueryAuth(credentials, service, region)
        if signer.signature(signer.string_to_sign(asked, signer.canonical_request(asked)), asked) != given:
            raise PermissionError("The request signature we calculated does not match the signature you provided")
        again = AWSRequest(request.command, self.url + request.path)
        S3SigV4Auth(credentials, service, region).add_auth(again)
        return dict(again.headers)

    def _as_aws(
        self, request: _Handler, status: str, headers: dict[str, str], body: bytes
    ) -> tuple[str, dict[str, str], bytes]:
        admin = not self.keys or self.keys["admin"]["aws_access_key_id"] in request.headers.get("Authorization", "")
        missing = status.startswith("404") and request.command in {"HEAD", "GET"} and b"NoSuchBucket" not in body
        if missing and not admin:
            status, body = "403 Forbidden", body.replace(b"NoSuchKey", b"AccessDenied")
        if "x-amz-checksum-sha256" in headers and (parts := re.search(r"-\d+", headers.get("etag", ""))):
            headers["x-amz-checksum-sha256"] += parts[0]
        return status, headers, body


class _Handler(BaseHTTPRequestHandler):
    """Keeps connections open, as S3 does and werkzeug's own server does not."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait until the client acknowledges the headers
    server_of_ours: Server

    def _any(self) -> None:
        answer = self.server_of_ours.answer(self)
        if answer is None:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())
            self.close_connection = True
            return
        status, headers, body = answer
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        if self.command != "HEAD" or not code.startswith("2"):
            headers["content-length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any  # noqa: N815  # http.server's names


def _failure(how: str) -> tuple[str, dict[str, str], bytes] | None:
    if how == "reset":
        return None
    code = {"500": "InternalError"}.get(how, "SlowDown")
    return f"{how} On Purpose", {"content-type": "application/xml"}, _error(code, "on purpose")


def _error(code: str, message: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def airflow(url: str, credentials: dict[str, str], *, attempts: int = 3, timeout: int = 20) -> str:
    """The Airflow connection to a server, in JSON. Few attempts, so that giving up takes no time."""
    retries = {"mode": "standard", "total_max_attempts": attempts}
    return connection(url, credentials, retries=retries, read_timeout=timeout)


@cache
def moto() -> Server:
    """The one server of all tests; it ends with the process."""
    return Server()


_numbers = count()


class S3Rig:
    """An empty bucket of moto."""

    part_size = 5 << 20

    def __init__(self, _: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._server = moto()
        self._server.faults.clear()
        self._server.requests = 0
        self._server.peers.clear()
        self._client = client("s3", self._server.url, self._server.keys["admin"])
        self._bucket = f"exports-{next(_numbers)}"
        self._client.create_bucket(Bucket=self._bucket)
        for name, key in self._server.keys.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", airflow(self._server.url, key))
        wrong = self._server.keys["writer"] | {"aws_secret_access_key": "wrong"}
        monkeypatch.setenv("AIRFLOW_CONN_WRONG", airflow(self._server.url, wrong))
        self.destination = self.by("writer")

    def by(self, conn_id: str) -> S3Destination:
        """The bucket, as the identity of that connection."""
        return S3Destination(conn_id=conn_id, bucket=self._bucket, part_size=self.part_size)

    def missing(self) -> S3Destination:
        return S3Destination(conn_id="writer", bucket="no-such-bucket")

    def read_only(self) -> S3Destination:
        return self.by("reader")

    def without_delete(self) -> S3Destination:
        return self.by("keeper")

    def without_login(self) -> S3Destination:
        return self.by("wrong")

    def signing(self) -> Any:
        return self.destination

    def visible(self) -> dict[str, bytes]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read() for key in keys}

    def head(self, path: str) -> dict[str, Any]:
        """What S3 says about an object."""
        head: dict[str, Any] = self._client.head_object(Bucket=self._bucket, Key=path)
        return head

    def leftovers(self) -> list[str]:
        uploads = self._client.list_multipart_uploads(Bucket=self._bucket).get("Uploads", [])
        return [upload["Key"] for upload in uploads]

    def place(self, path: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=path, Body=content)

    def interrupt(self, path: str) -> None:
        self._client.create_multipart_upload(Bucket=self._bucket, Key=path)

    def identity(self, path: str) -> object:
        return self._server.written[f"/{self._bucket}/{path}"]

    @contextmanager
    def breaking(self) -> Iterator[None]:
        self._server.faults.append(Fault("503", 1_000, "partNumber=2"))
        yield
        self._server.faults.clear()

    def failing(self, how: str, times: int) -> None:
        self._server.faults.append(Fault(how, times))

    def requests(self) -> int:
        return self._server.requests

    def connections(self) -> int:
        return len(self._server.peers)

    def address(self) -> tuple[str, int]:
        at = urlsplit(self._server.url)
        return str(at.hostname), int(at.port or 0)

    def through(self, port: int) -> S3Destination:
        connection = airflow(f"http://127.0.0.1:{port}", self._server.keys["writer"], attempts=2, timeout=1)
        self._monkeypatch.setenv("AIRFLOW_CONN_THROUGH", connection)
        return self.by("through")
