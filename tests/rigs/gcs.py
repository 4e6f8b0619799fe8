"""The Google Cloud Storage server of `include.local`, for tests: it knows who asks, counts, and can be made to fail.

Who asks shows a token, for which a service account has sent what its private key signed, or an address that it signed.
Both signatures are checked by other libraries than those that made them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib import request
from urllib.parse import parse_qs

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from include.exports import GcsDestination
from include.local.stores.gcs import Emulator, Question, Refusal, connection, documented_rights
from tests.rigs.http_faults import Answer, BehindFront, Fault, Front, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

DOMAIN = "tests.iam.gserviceaccount.com"
CREATE, GET, DELETE = "storage.objects.create", "storage.objects.get", "storage.objects.delete"
ROLES: dict[str, dict[str, str | tuple[str, ...]]] = {
    "writer": dict.fromkeys(documented_rights(), ""),
    "keeper": {CREATE: "", GET: "", DELETE: ("m.json", "/_manifest.json", "/files.txt")},
    "once": {CREATE: "", GET: ""},
    "reader": {GET: ""},
    "blind": {CREATE: ""},
}
"""The rights of each service account, and how what it has a right on must end."""


@dataclass(frozen=True)
class Key:
    """The private key of service accounts, and the public one that Google knows them by."""

    private: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def account(self, name: str) -> dict[str, str]:
        """What Google's console gives to download."""
        private = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "tests",
            "private_key": private.decode(),
            "client_email": f"{name}@{DOMAIN}",
            "token_uri": f"http://127.0.0.1:{token_front().port}",
        }


class KnowingEmulator(Emulator):
    """An emulator that knows who asks."""

    def __init__(self) -> None:
        super().__init__()
        self.key = Key()
        self.tokens = {"admin": "admin"}
        """The name of the service account that each token was given to."""
        self.broken = False
        """Whether it takes no chunk of an upload after the first."""

    def respond(self, request: Request) -> Answer:
        """The answer of Cloud Storage to any request."""
        chunk = request.headers.get("content-range", "bytes 0-")
        if self.broken and not chunk.startswith("bytes 0-"):
            return failure("503")
        return Answer(*self.answer(*request))

    def may(self, question: Question, right: str) -> bool:
        who = self._signer(question) if "X-Goog-Signature" in question.query else self._bearer(question)
        return who == "admin" or question.name.endswith(ROLES[who].get(right, ()))

    def _bearer(self, question: Question) -> str:
        token = question.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise Refusal(status=401, reason="authError", message="Invalid Credentials")
        return self.tokens[token]

    def _signer(self, question: Question) -> str:
        """https://cloud.google.com/storage/docs/access-control/signed-urls#signing-process"""
        signed, _, signature = question.target.partition("&X-Goog-Signature=")
        path, _, query = signed.partition("?")
        account, _, scope = question.query["X-Goog-Credential"].partition("/")
        names = question.query["X-Goog-SignedHeaders"]
        headers = "".join(f"{name}:{question.headers[name]}\n" for name in names.split(";"))
        asked = f"{question.method}\n{path}\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(asked.encode()).hexdigest()
        date = question.query["X-Goog-Date"]
        text = f"GOOG4-RSA-SHA256\n{date}\n{scope}\n{digest}"
        try:
            public = self.key.private.public_key()
            public.verify(bytes.fromhex(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise Refusal(status=403, reason="forbidden", message="The request signature does not match.") from None
        ends = datetime.strptime(date, "%Y%m%dT%H%M%S%z") + timedelta(seconds=int(question.query["X-Goog-Expires"]))
        if datetime.now(UTC) > ends:
            raise Refusal(status=403, reason="forbidden", message="The signed address has expired.")
        return account.removesuffix(f"@{DOMAIN}")

    def token(self, request: Request) -> Answer:
        """https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests"""
        (assertion,) = parse_qs(request.body.decode())["assertion"]
        try:
            claims = jwt.decode(
                assertion,
                self.key.private.public_key(),
                algorithms=["RS256"],
                audience="https://oauth2.googleapis.com/token",
            )
        except jwt.InvalidTokenError:
            return _json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        token = secrets.token_urlsafe()
        self.tokens[token] = claims["iss"].removesuffix(f"@{DOMAIN}")
        return _json(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})


def _json(status: int, document: dict[str, Any]) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(document).encode())


def failure(how: str) -> Answer:
    """What Google answers with a status that may pass."""
    refusal = Refusal(status=int(how), reason="backendError", message="on purpose")
    return Answer(refusal.status, {"Content-Type": "application/json"}, refusal.document())


@cache
def emulator() -> KnowingEmulator:
    """The one emulator of all tests."""
    return KnowingEmulator()


@cache
def stranger() -> Key:
    """A key that Google does not know. One for all tests, since making it takes a while."""
    return Key()


@cache
def front() -> Front:
    """The server of Cloud Storage."""
    return Front(answer=emulator().respond, failure=failure)


@cache
def token_front() -> Front:
    """The server where service accounts sign in."""
    return Front(answer=emulator().token, failure=failure)


_numbers = count()


class GcsRig(BehindFront):
    """An empty bucket."""

    part_size = 8 << 20

    def __init__(self, _: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._emulator, self.front, self._monkeypatch = emulator(), front(), monkeypatch
        self._emulator.broken = False
        self.front.reset()
        token_front().reset()
        self._bucket = f"exports-{next(_numbers)}"
        self._emulator.make_bucket(self._bucket)
        for name in ROLES:
            self.connect_as(name, name, self._emulator.key)
        self.connect_as("wrong", "writer", stranger())
        # google-auth asks a server of Google's in the background where an account may be used, and goes on without.
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        self.destination = self.by("writer")

    def connect_as(self, conn_id: str, name: str, key: Key, port: int | None = None, **extra: Any) -> None:
        """Make the Airflow connection of a service account. Two more tries, so that giving up takes no time."""
        account = key.account(name)
        url = f"http://127.0.0.1:{port or self.front.port}"
        document = connection(url, keyfile_dict=account, **{"num_retries": 2} | extra)
        self._monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", document)

    def by(self, conn_id: str, **fields: Any) -> GcsDestination:
        """The bucket, as the identity of that connection."""
        return GcsDestination(conn_id=conn_id, bucket=self._bucket, part_size=self.part_size, **fields)

    def missing(self) -> GcsDestination:
        return GcsDestination(conn_id="writer", bucket="no-such-bucket")

    def read_only(self) -> GcsDestination:
        return self.by("reader")

    def without_delete(self) -> GcsDestination:
        """Of the parts: replacing the manifest takes the right to delete it."""
        return self.by("keeper")

    def signing(self) -> GcsDestination:
        return self.destination

    def without_login(self) -> GcsDestination:
        return self.by("wrong")

    def visible(self) -> dict[str, bytes]:
        storage = self._emulator.storage
        return {name: storage.get_file(self._bucket, name) for name in storage.objects.get(self._bucket, {})}

    def head(self, path: str) -> dict[str, Any]:
        """What the server says about an object."""
        found: dict[str, Any] = self._emulator.storage.objects[self._bucket][path]
        return found

    def leftovers(self) -> list[str]:
        uploads = self._emulator.storage.resumable.values()
        return [upload["name"] for upload in uploads if upload["bucket"] == self._bucket]

    def place(self, path: str, content: bytes) -> None:
        described = json.dumps({"name": path}).encode()
        parts = b"--b\r\nContent-Type: application/json\r\n\r\n%b\r\n--b\r\nContent-Type: any/thing\r\n\r\n%b\r\n--b--"
        self._upload("multipart", "multipart/related; boundary=b", parts % (described, content))

    def interrupt(self, path: str) -> None:
        self._upload("resumable", "application/json", json.dumps({"name": path}).encode())

    def _upload(self, kind: str, content_type: str, body: bytes) -> None:
        url = f"http://127.0.0.1:{self.front.port}/upload/storage/v1/b/{self._bucket}/o?uploadType={kind}"
        headers = {"Authorization": "Bearer admin", "Content-Type": content_type}
        with request.urlopen(request.Request(url, body, headers)):  # the address of the test's own server
            pass

    def identity(self, path: str) -> object:
        return self.head(path)["generation"]

    @contextmanager
    def breaking(self) -> Iterator[None]:
        self._emulator.broken = True
        yield
        self._emulator.broken = False

    def failing(self, how: str, times: int) -> None:
        self.front.faults.append(Fault(how, times, "/upload/"))

    def requests(self) -> int:
        return super().requests() + len(token_front().asked)

    def through(self, port: int) -> GcsDestination:
        self.connect_as("through", "writer", self._emulator.key, port, num_retries=1, timeout=1)
        return self.by("through")
