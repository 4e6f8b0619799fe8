"""Real S3 servers for tests: moto in this process, where it can be made to fail, and ministack in one of its own.

moto checks signatures and policies; what else AWS does and moto does not, `Server` adds: a refusal for what is not
there and may not be listed, and the number of parts behind a composite checksum.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto import settings
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import create_environ, run_wsgi_app

from include.exports import S3Destination

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

REGION = "us-east-1"
WRITES = {"PUT", "POST"}
POLICIES = {
    "admin": ["s3:*"],
    "writer": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
    "keeper": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
    "reader": ["s3:GetObject"],
    "blind": ["s3:PutObject", "s3:AbortMultipartUpload"],
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
        keys = {}
        iam = boto3.client("iam", endpoint_url=self.url, region_name=REGION, **_credentials("any", "any"))
        for name, actions in POLICIES.items():
            statement = {"Effect": "Allow", "Action": actions, "Resource": ["arn:aws:s3:::*"]}
            iam.create_user(UserName=name)
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            keys[name] = _credentials(key["AccessKeyId"], key["SecretAccessKey"])
        self.keys = keys
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
        environ = create_environ(request.path, self.url, method=method, headers=dict(request.headers), data=body)
        chunks, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        return self._as_aws(request, status, {name.lower(): value for name, value in headers}, b"".join(chunks))

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
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>on purpose</Message></Error>"
    return f"{how} On Purpose", {"content-type": "application/xml"}, body.encode()


def _credentials(key: str, secret: str) -> dict[str, str]:
    return {"aws_access_key_id": key, "aws_secret_access_key": secret}


def client(url: str, credentials: dict[str, str]) -> Any:
    """boto3's own client, which looks at the server from outside."""
    return boto3.client("s3", endpoint_url=url, region_name=REGION, **credentials)


def airflow(url: str, credentials: dict[str, str]) -> str:
    """The Airflow connection to a server, in JSON. Two tries, so that giving up takes no time."""
    options = {"retries": {"mode": "standard", "total_max_attempts": 3}, "read_timeout": 20}
    extra = {"endpoint_url": url, "region_name": REGION, "config_kwargs": options}
    login = {"login": credentials["aws_access_key_id"], "password": credentials["aws_secret_access_key"]}
    return json.dumps({"conn_type": "aws", **login, "extra": extra})


@cache
def moto() -> Server:
    """The one server of all tests; it ends with the process."""
    return Server()


_numbers = count()


class S3Rig:
    """An empty bucket of moto."""

    part_size = 5 << 20

    def __init__(self, _: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = moto()
        self._server.faults.clear()
        self._server.requests = 0
        self._server.peers.clear()
        self._client = client(self._server.url, self._server.keys["admin"])
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


@contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """A server that refuses what does not have the checksum it was sent with; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3", "HOME": str(folder)}
    command = [sys.executable, "-m", "ministack"]
    with (
        (folder / "ministack.log").open("wb") as log,
        subprocess.Popen(command, env=os.environ | environment, cwd=folder, stdout=log, stderr=log) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process, folder / "ministack.log")
            yield url
        finally:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    quick = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    asked = boto3.client("s3", endpoint_url=url, region_name=REGION, config=quick, **_credentials("any", "any"))
    deadline = time.monotonic() + 30
    while True:
        try:
            asked.list_buckets()
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.05)
        else:
            return
