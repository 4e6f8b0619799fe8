"""The `Store` on a bucket of Google Cloud Storage: what `gcs.connect` opens."""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import contextmanager, nullcontext
from functools import partial
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import IO, TYPE_CHECKING, Any, Self

from include.exports.destinations import NOTHING, Document, Stored, announced, unheard
from include.exports.destinations.stream import opened
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import timedelta
    from pathlib import Path

    from include.exports.destinations import Sent
    from include.exports.destinations.gcs import GcsDestination

MIB = 1 << 20
CONNECT_SECONDS = 10.0
ONE_REQUEST = 8 * MIB
"""Google's client sends larger files as resumable uploads."""
LARGE_AT_ONCE = 2
"""Of those, for the sake of memory: each one holds two chunks. Small ones are sent as many at once as are asked for."""

_PASSING_STATUS = {408, 410, 429, *range(500, 600)}
"""410 is the answer to a chunk of an upload that Google has forgotten."""
_DAMAGED = "doesn't match calculated"
"""What Google says to bytes that do not have the checksum that was sent with them: damaged on the way."""
_UPLOAD = re.compile(r"(?<=upload_id=)[^&\s]+")
"""Who has the address of an upload can write the object, so no message and no traceback has it."""


class GcsStore:
    """A `Store` on a bucket."""

    def __init__(
        self, destination: GcsDestination, client: Any, key: bytes | None, *, retries: float, timeout: float
    ) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        self._destination, self._bucket, self._key = destination, client.bucket(destination.bucket), key
        self._turn = BoundedSemaphore(LARGE_AT_ONCE)
        self._patience = {
            "timeout": (min(timeout, CONNECT_SECONDS), timeout),
            # It waits at most 0.5, 1, 2 ... seconds, so that so many waits, and what they are for, fit in.
            "retry": DEFAULT_RETRY.with_delay(initial=0.5).with_timeout(2.0**retries),
        }

    def url(self, path: str) -> str:
        return f"gs://{self._destination.bucket}/{path}"

    def put(
        self, source: Path, path: str, sha256: str, about: Mapping[str, str] = NOTHING, sent: Sent = unheard
    ) -> Stored:
        from google.api_core.exceptions import Forbidden, PreconditionFailed

        found, stored = _digest(source)
        announced(source, sha256, found)
        blob = self._blob(path)
        blob.metadata, blob.storage_class = {**about, "sha256": sha256}, self._destination.storage_class
        blob.crc32c = base64.b64encode(bytes.fromhex(stored.checksum["crc32c"])).decode()
        with self._errors(path):
            try:
                return self._send(source, blob, stored, 0, sent)
            except (PreconditionFailed, Forbidden):  # something is there, or, for Google, may not be replaced
                there = self._look(path)
                if there is None:
                    raise
                if _stored(there) == stored:
                    return stored
            return self._send(source, blob, stored, there.generation, sent)

    def stat(self, path: str) -> Stored | None:
        with self._errors(path):
            found = self._look(path)
            return _stored(found) if found else None

    def open(self, path: str) -> IO[bytes]:
        with self._errors(path):
            found = self._blob(path)
            found.reload(**self._patience)
            blob = self._blob(path, found.generation)  # `found` would be read at Google's public address, always
            reader = blob.open("rb", chunk_size=8 * MIB, raw_download=True, **self._patience)
        return opened(reader.read, partial(self._errors, path), reader.close)

    def read(self, path: str) -> Document | None:
        from google.api_core.exceptions import Forbidden, NotFound

        blob = self._blob(path)
        with self._errors(path):
            try:
                content = blob.download_as_bytes(raw_download=True, **self._patience)
            except (NotFound, Forbidden):
                return None
            return Document(content=content, version=str(blob.generation))

    def write(self, path: str, content: bytes, expected: str | None, about: Mapping[str, str] = NOTHING) -> str:
        from google.api_core.exceptions import PreconditionFailed

        with self._errors(path):
            blob = self._blob(path)
            blob.metadata = dict(about)
            try:
                blob.upload_from_string(
                    content, if_generation_match=int(expected or 0), checksum="crc32c", **self._patience
                )
            except PreconditionFailed as error:
                if expected is None and self._look(path) is None:
                    raise DeliveryRefused(
                        f"{self.url(path)} exists but may not be read; grant storage.objects.get on it"
                    ) from error
                raise
            return str(blob.generation)

    def delete(self, path: str) -> None:
        from google.api_core.exceptions import NotFound

        with self._errors(path):
            try:
                self._blob(path).delete(**self._patience)
            except NotFound:
                return

    def share_link(self, path: str, expires: timedelta) -> str:
        if self._key:
            raise DeliveryRefused(
                f"{self.url(path)} is encrypted by a key that a link does not carry; give readers access to the bucket"
                " and the key"
            )
        try:
            link = self._blob(path).generate_signed_url(version="v4", expiration=expires, method="GET")
        except ValueError as error:
            raise DeliveryRefused(f"{self.url(path)}: {error}; ask for a link of at most 7 days") from error
        except AttributeError as error:  # what the client raises for credentials that have no key
            raise DeliveryRefused(
                f"{self.url(path)}: {_identity(self._destination)} cannot sign addresses; sign in by a service"
                " account's key"
            ) from error
        return str(link)

    def _blob(self, path: str, generation: int | None = None) -> Any:
        return self._bucket.blob(
            path, encryption_key=self._key, kms_key_name=self._destination.kms_key_name, generation=generation
        )

    def _look(self, path: str) -> Any:
        """The object's own description; None when there is none, or it may not be read."""
        from google.api_core.exceptions import Forbidden, NotFound

        blob = self._blob(path)
        try:
            blob.reload(**self._patience)
        except (NotFound, Forbidden):
            return None
        return blob

    def _send(self, source: Path, blob: Any, stored: Stored, generation: int, sent: Sent) -> Stored:
        """Upload a file in place of a generation, 0 for none, and compare what the store then says that it holds."""
        blob.chunk_size = self._destination.part_size
        turn = self._turn if stored.size > ONE_REQUEST else nullcontext()
        with turn, source.open("rb") as file, _Heard(file, sent) as stream:
            try:
                blob.upload_from_file(
                    stream, size=stored.size, if_generation_match=generation, checksum=None, **self._patience
                )
            except ValueError as error:  # what the client says when a stream ends early
                raise VerificationError(
                    f"{source} became shorter while it was sent: {error}; nothing was delivered, run the task of the"
                    " stage before again"
                ) from error
        if _stored(blob) != stored:
            raise VerificationError(f"{self.url(blob.name)} was sent as {stored}, but the store holds {_stored(blob)}")
        return stored

    def _errors(self, path: str) -> AbstractContextManager[None]:
        return errors(self.url(path), self._destination)


class _Heard:
    """A file that tells how much of it was sent: all that was read before the chunk that is read now. What does not
    arrive in the end is taken back."""

    def __init__(self, file: IO[bytes], sent: Sent) -> None:
        self._file, self._sent, self._told = file, sent, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._tell(0 if error else self._file.tell())

    def read(self, size: int = -1) -> bytes:
        self._tell(self._file.tell())
        return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell()

    def _tell(self, position: int) -> None:
        self._sent(position - self._told)
        self._told = position


@contextmanager
def errors(where: str, destination: GcsDestination) -> Iterator[None]:
    from google.api_core.exceptions import GoogleAPICallError, PreconditionFailed, RetryError
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.cloud.storage.exceptions import DataCorruption
    from requests.exceptions import RequestException

    identity = _identity(destination)
    try:
        yield
    except PreconditionFailed as error:
        raise DeliveryInterrupted(
            f"{where} was written by another run meanwhile; run this one again to build on it"
        ) from _cause(error)
    except GoogleAPICallError as error:
        message = _message(where, error)
        if error.code in _PASSING_STATUS or _DAMAGED in message:
            raise DeliveryInterrupted(f"{message}; the run is tried again") from _cause(error)
        raise DeliveryRefused(f"{message}; {_remedy(error.code, message, identity)}") from _cause(error)
    except (RetryError, TransportError, DataCorruption, RequestException) as error:
        raise DeliveryInterrupted(f"{_message(where, error)}; the run is tried again") from _cause(error)
    except GoogleAuthError as error:  # no credentials, a key that is none, a login that is refused
        if error.retryable:
            raise DeliveryInterrupted(f"{_message(where, error)}; the run is tried again") from error
        raise DeliveryRefused(f"{_message(where, error)}; check the credentials of {identity}") from error


def _remedy(code: int | None, message: str, identity: str) -> str:
    if code == HTTPStatus.UNAUTHORIZED:
        return f"check the credentials of {identity}"
    if code == HTTPStatus.FORBIDDEN:
        right = re.search(r"storage\.\w+\.\w+", message)
        return f"grant {right[0] if right else 'this action'} to {identity}"
    if code == HTTPStatus.NOT_FOUND and "bucket does not exist" in message:
        return "create the bucket, or correct `bucket`"
    return f"check endpoint, keys and rights of {identity}"


def _message(where: str, error: Exception) -> str:
    """One line that holds no secret."""
    return f"{where}: {_UPLOAD.sub('***', ' '.join(str(error).split()))}"


def _cause(error: Exception) -> Exception | None:
    """What a traceback may show."""
    return None if _UPLOAD.search(str(error)) else error


def _identity(destination: GcsDestination) -> str:
    return f"Airflow connection {destination.conn_id!r}" if destination.conn_id else "the worker's own Google identity"


def _digest(source: Path) -> tuple[str, Stored]:
    """SHA-256 of a file and what the store must say about it, in one pass."""
    import google_crc32c

    sha256, crc32c, size = hashlib.sha256(), google_crc32c.Checksum(), 0
    with source.open("rb") as stream:
        while chunk := stream.read(MIB):
            sha256.update(chunk)
            crc32c.update(chunk)
            size += len(chunk)
    return sha256.hexdigest(), Stored(size=size, checksum={"crc32c": crc32c.hexdigest().decode()})


def _stored(blob: Any) -> Stored:
    """An object's own description as `Stored`. Without the customer's key that encrypts it, Google keeps its checksum
    back."""
    checksum = {"crc32c": base64.b64decode(blob.crc32c).hex()} if blob.crc32c else {}
    return Stored(size=blob.size, checksum=checksum)
