"""A real S3 server for tests: moto in this process, where it can be made to fail.

moto checks signatures and policies; what else AWS does and moto does not, `Server` adds: signed addresses, a refusal
for what is not there and may not be listed, the right to tag, and the number of parts behind a composite checksum.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto import settings
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import create_environ, run_wsgi_app

from include.exports import S3Destination
from include.local.stores.s3 import client, connection, identity, policy
from tests.rigs.http_faults import WRITES, Answer, BehindFront, Front, Request

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pytest


def allow(*actions: str) -> str:
    """A policy, in JSON."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": "arn:aws:s3:::*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ROLE = "arn:aws:iam::123456789012:role/exports"
POLICIES = {
    "admin": allow("s3:*"),
    "writer": policy().replace("arn:aws:s3:::exports/*", "arn:aws:s3:::*"),
    "keeper": allow("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"),
    "reader": allow("s3:GetObject"),
    "blind": allow("s3:PutObject", "s3:AbortMultipartUpload"),
    "tagger": allow("s3:PutObject", "s3:GetObject", "s3:PutObjectTagging"),
    "guest": json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}]}
    ),
}
TAGGERS = {"admin", "tagger"}


class Server:
    """moto behind a server that counts, refuses and fails."""

    keys: dict[str, dict[str, str]]
    """The access key of each identity of `POLICIES`."""

    def __init__(self) -> None:
        self._moto, self.keys = DomainDispatcherApplication(create_backend_app), {}
        self.written: Counter[str] = Counter()
        """How often each object was written to."""
        self.front = Front(self._answer, _failure)
        self.url = f"http://127.0.0.1:{self.front.port}"
        anybody = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        iam = client("iam", self.url, anybody)
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
        trusted = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName="exports", AssumeRolePolicyDocument=trusted)
        iam.put_role_policy(RoleName="exports", PolicyName="exports", PolicyDocument=POLICIES["writer"])
        self.keys = {name: identity(self.url, anybody, name, document) for name, document in POLICIES.items()}
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # from now on every signature and policy is checked

    def who(self, request: Request) -> str:
        """The identity whose access key a request names; empty for others."""
        used = request.headers.get("Authorization", "")
        return next((name for name, key in self.keys.items() if key["aws_access_key_id"] in used), "")

    def _answer(self, request: Request) -> Answer:
        path, _, query = request.target.partition("?")
        headers = dict(request.headers)
        if "X-Amz-Signature=" in query:
            try:
                headers |= self._as_header(request)
            except PermissionError as error:
                return _error(403, "AccessDenied", str(error))
        if "x-amz-tagging" in headers and self.who(request) not in TAGGERS:
            return _error(403, "AccessDenied", "not authorized to perform: s3:PutObjectTagging")
        environ = create_environ(
            path, self.url, method=request.method, headers=headers, data=request.body, query_string=query
        )
        chunks, status, answered = run_wsgi_app(self._moto, environ, buffered=True)
        self.written[unquote(path)] += request.method in WRITES and status.startswith("2")
        told = {name.lower(): value for name, value in answered}
        return self._as_aws(request, Answer(int(status.partition(" ")[0]), told, b"".join(chunks)))

    def _as_header(self, request: Request) -> dict[str, str]:
        """The headers that say what the query of a signed address says, which moto cannot read.

        Raises `PermissionError` when its time has passed or its signature is another.
        """
        signed, _, given = request.target.partition("&X-Amz-Signature=")
        query = dict(parse_qsl(signed.partition("?")[2]))
        key, _, region, service, _ = query["X-Amz-Credential"].split("/")
        (secret,) = (each for each in self.keys.values() if each["aws_access_key_id"] == key)
        credentials = Credentials(key, secret["aws_secret_access_key"])
        began = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > began + timedelta(seconds=int(query["X-Amz-Expires"])):
            raise PermissionError("Request has expired")
        asked = AWSRequest(request.method, self.url + signed)
        asked.context["timestamp"] = query["X-Amz-Date"]
        signer = S3SigV4QueryAuth(credentials, service, region)
        if signer.signature(signer.string_to_sign(asked, signer.canonical_request(asked)), asked) != given:
            raise PermissionError("The request signature we calculated does not match the signature you provided")
        again = AWSRequest(request.method, self.url + request.target)
        S3SigV4Auth(credentials, service, region).add_auth(again)
        return dict(again.headers)

    def _as_aws(self, request: Request, answer: Answer) -> Answer:
        missing = answer.status == 404 and request.method in {"HEAD", "GET"} and b"NoSuchBucket" not in answer.body
        if missing and self.who(request) not in {"", "admin"}:
            return Answer(403, answer.headers, answer.body.replace(b"NoSuchKey", b"AccessDenied"))
        if "x-amz-checksum-sha256" in answer.headers and (parts := re.search(r"-\d+", answer.headers.get("etag", ""))):
            answer.headers["x-amz-checksum-sha256"] += parts[0]
        return answer


def _failure(how: str) -> Answer:
    return _error(int(how), {"400": "ExpiredToken", "500": "InternalError"}.get(how, "SlowDown"), "on purpose")


def _error(status: int, code: str, message: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, {"content-type": "application/xml"}, body.encode())


def airflow(url: str, credentials: dict[str, str], *, attempts: int = 3, timeout: int = 20) -> str:
    """The Airflow connection to a server, in JSON. Few attempts, so that giving up takes no time."""
    retries = {"mode": "standard", "total_max_attempts": attempts}
    return connection(url, credentials, retries=retries, read_timeout=timeout)


@cache
def moto() -> Server:
    """The one server of all tests; it ends with the process."""
    return Server()


_numbers = count()


class S3Rig(BehindFront):
    """An empty bucket of moto."""

    part_size = 5 << 20

    def __init__(self, _: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._server = moto()
        self.front = self._server.front
        self.front.reset()
        self._client = client("s3", self._server.url, self._server.keys["admin"])
        self._bucket = f"exports-{next(_numbers)}"
        self._client.create_bucket(Bucket=self._bucket)
        for name, key in self._server.keys.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", airflow(self._server.url, key))
        guest = json.loads(airflow(self._server.url, self._server.keys["guest"]))
        guest["extra"] |= {"role_arn": ROLE, "service_config": {"sts": {"endpoint_url": self._server.url}}}
        monkeypatch.setenv("AIRFLOW_CONN_ROLE", json.dumps(guest))
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

    def tags(self, path: str) -> dict[str, str]:
        """The tags of an object."""
        found = self._client.get_object_tagging(Bucket=self._bucket, Key=path)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def session(self) -> tuple[dict[str, str], str]:
        """Temporary credentials with the writer's rights, and the server that knows them."""
        sts = client("sts", self._server.url, self._server.keys["guest"])
        found = sts.assume_role(RoleArn=ROLE, RoleSessionName="session")["Credentials"]
        key = {"aws_access_key_id": found["AccessKeyId"], "aws_secret_access_key": found["SecretAccessKey"]}
        return key | {"aws_session_token": found["SessionToken"]}, self._server.url

    def leftovers(self) -> list[str]:
        uploads = self._client.list_multipart_uploads(Bucket=self._bucket).get("Uploads", [])
        return [upload["Key"] for upload in uploads]

    def place(self, path: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=path, Body=content)

    def interrupt(self, path: str) -> None:
        self._client.create_multipart_upload(Bucket=self._bucket, Key=path)

    def identity(self, path: str) -> object:
        return self._server.written[f"/{self._bucket}/{path}"]

    def breaking(self) -> AbstractContextManager[None]:
        return self.breaking_at("partNumber=2")

    def through(self, port: int) -> S3Destination:
        connection = airflow(f"http://127.0.0.1:{port}", self._server.keys["writer"], attempts=2, timeout=1)
        self._monkeypatch.setenv("AIRFLOW_CONN_THROUGH", connection)
        return self.by("through")
