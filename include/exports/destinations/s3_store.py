"""The `Store` on a bucket of Amazon S3: what `s3.connect` opens."""

from __future__ import annotations

import base64
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from include.exports.destinations import NOTHING, Document, Stored
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import timedelta
    from pathlib import Path

    from include.exports.destinations.s3 import S3Destination

MIB = 1 << 20
MAX_PARTS = 10_000
CONCURRENCY = 4
"""Parts in flight. With parts of 16 MiB this fills a connection of 10 Gbit/s; memory does not grow with it."""

_LOGIN = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"}
_PASSING = {"BadDigest", "NoSuchUpload", "RequestTimeout", "XAmzContentSHA256Mismatch"}
"""Client errors that another try can cure: bytes damaged on the way, an upload that a lifecycle rule aborted."""
_PASSING_STATUS = {408, 409, 429, *range(500, 600)}


@dataclass(frozen=True, slots=True)
class _Digests:
    """What the store must say about a file: how it is sent, and its checksum."""

    sha256: str
    part_size: int
    stored: Stored


class S3Store:
    """A `Store` on a bucket."""

    def __init__(self, destination: S3Destination, client: Any) -> None:
        self._destination, self._client = destination, client
        self._encryption: dict[str, str] = {}
        if destination.kms_key_id:
            self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": destination.kms_key_id}

    def url(self, path: str) -> str:
        return f"s3://{self._destination.bucket}/{path}"

    def put(self, source: Path, path: str, sha256: str, about: Mapping[str, str] = NOTHING) -> Stored:
        digests = _digest(source, self._destination.part_size)
        if digests.sha256 != sha256:
            raise VerificationError(
                f"{source} has sha256 {digests.sha256}, but {sha256} was announced; nothing was sent, run the task of"
                " the stage before again"
            )
        if self.stat(path) == digests.stored:
            return digests.stored
        with self._errors(path):
            self._upload(source, path, digests, about)
        found = self.stat(path)
        if found is None:
            raise DeliveryRefused(
                f"{self.url(path)} was sent but may not be looked at; grant s3:GetObject on it, so that it can be"
                " verified"
            )
        if found != digests.stored:
            raise VerificationError(f"{self.url(path)} was sent as {digests.stored}, but the store holds {found}")
        return found

    def stat(self, path: str) -> Stored | None:
        from botocore.exceptions import ClientError

        with self._errors(path):
            try:
                head = self._client.head_object(**self._at(path), ChecksumMode="ENABLED")
            except ClientError as error:
                if _status(error) in {403, 404}:
                    return None
                raise
        return Stored(size=head["ContentLength"], checksum=_checksum(head.get("ChecksumSHA256")))

    def open(self, path: str) -> IO[bytes]:
        with self._errors(path):
            return cast("IO[bytes]", self._client.get_object(**self._at(path))["Body"])

    def read(self, path: str) -> Document | None:
        from botocore.exceptions import ClientError

        with self._errors(path):
            try:
                found = self._client.get_object(**self._at(path))
            except ClientError as error:
                if _code(error) in {"NoSuchKey", "AccessDenied"}:
                    return None
                raise
            return Document(content=found["Body"].read(), version=found["ETag"])

    def write(self, path: str, content: bytes, expected: str | None, about: Mapping[str, str] = NOTHING) -> str:
        from botocore.exceptions import ClientError

        condition = {"IfMatch": expected} if expected else {"IfNoneMatch": "*"}
        with self._errors(path):
            try:
                written = self._client.put_object(
                    **self._at(path),
                    Body=content,
                    ChecksumAlgorithm="SHA256",
                    Metadata=dict(about),
                    **condition,
                    **self._encryption,
                )
            except ClientError as error:
                # What exists, or has another version, is answered by 412, what is gone by 404, two writers by 409.
                if _code(error) not in {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}:
                    raise
                if expected is None and _code(error) == "PreconditionFailed" and self.stat(path) is None:
                    raise DeliveryRefused(
                        f"{self.url(path)} exists but may not be read; grant s3:GetObject on it"
                    ) from error
                raise DeliveryInterrupted(
                    f"{self.url(path)} was written by another run meanwhile; run this one again to build on it"
                ) from error
        return str(written["ETag"])

    def delete(self, path: str) -> None:
        with self._errors(path):
            self._client.delete_object(**self._at(path))

    def share_link(self, path: str, expires: timedelta) -> str:
        with self._errors(path):
            link = self._client.generate_presigned_url(
                "get_object", Params=self._at(path), ExpiresIn=int(expires.total_seconds())
            )
        return str(link)

    def _at(self, path: str) -> dict[str, str]:
        return {"Bucket": self._destination.bucket, "Key": path}

    def _upload(self, source: Path, path: str, digests: _Digests, about: Mapping[str, str]) -> None:
        from boto3.s3.transfer import TransferConfig, create_transfer_manager

        options = {
            "ChecksumAlgorithm": "SHA256",
            "Metadata": {**about, "sha256": digests.sha256},
            "StorageClass": self._destination.storage_class,
            **self._encryption,
        }
        if digests.stored.size <= digests.part_size:
            checksum = base64.b64encode(bytes.fromhex(digests.sha256)).decode()
            with source.open("rb") as body:
                self._client.put_object(**self._at(path), Body=body, ChecksumSHA256=checksum, **options)
            return
        part = digests.part_size
        config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, max_concurrency=CONCURRENCY)
        with create_transfer_manager(self._client, config) as manager:
            manager.upload(str(source), self._destination.bucket, path, extra_args=options).result()

    def _errors(self, path: str) -> AbstractContextManager[None]:
        return errors(self.url(path), self._destination)


@contextmanager
def errors(where: str, destination: S3Destination) -> Iterator[None]:
    from botocore import exceptions

    identity = f"Airflow connection {destination.conn_id!r}" if destination.conn_id else "the worker's own AWS identity"
    try:
        yield
    except exceptions.ClientError as error:
        code, message = _code(error), f"{where}: {error}"
        if _status(error) in _PASSING_STATUS or code in _PASSING:
            raise DeliveryInterrupted(f"{message}; the run is tried again") from error
        if code in _LOGIN:
            remedy = f"check the credentials of {identity}"
        elif code == "NoSuchBucket":
            remedy = "create the bucket, or correct `bucket`"
        elif code == "AccessDenied":
            remedy = f"grant this action to {identity}"
        else:
            remedy = f"check region, endpoint and rights of {identity}"
        raise DeliveryRefused(f"{message}; {remedy}") from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
        raise DeliveryInterrupted(f"{where}: {error}; the run is tried again") from error
    except exceptions.BotoCoreError as error:  # no credentials, half of them, a profile that is not there
        raise DeliveryRefused(f"{where}: {error}; check {identity}") from error


def _digest(source: Path, part_size: int) -> _Digests:
    """SHA-256 of a file and of its parts, in one pass."""
    size = source.stat().st_size
    part_size = max(part_size, -(-size // MAX_PARTS))
    whole, parts = hashlib.sha256(), []
    with source.open("rb") as stream:
        for start in range(0, size, part_size):
            part, left = hashlib.sha256(), min(part_size, size - start)
            while left and (chunk := stream.read(min(left, MIB))):
                part.update(chunk)
                whole.update(chunk)
                left -= len(chunk)
            parts.append(part.digest())
    checksum = {"sha256": whole.hexdigest()}
    if size > part_size:
        checksum = {"sha256_composite": f"{hashlib.sha256(b''.join(parts)).hexdigest()}-{len(parts)}"}
    return _Digests(whole.hexdigest(), part_size, Stored(size=size, checksum=checksum))


def _checksum(value: str | None) -> dict[str, str]:
    """S3's SHA-256, base64 with the number of parts behind a composite one, as `Stored.checksum`."""
    if value is None:
        return {}
    digest, _, parts = value.partition("-")
    found = base64.b64decode(digest).hex()
    return {"sha256_composite": f"{found}-{parts}"} if parts else {"sha256": found}


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
