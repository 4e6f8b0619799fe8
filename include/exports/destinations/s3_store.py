"""The `Store` on a bucket of Amazon S3: what `s3.connect` opens."""

from __future__ import annotations

import base64
import hashlib
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode

from include.exports.destinations import NOTHING, Document, Stored, announced, unheard
from include.exports.destinations.s3_parts import MAX_PARTS, Reading, Upload
from include.exports.destinations.stream import opened
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager
    from datetime import timedelta
    from pathlib import Path

    from include.exports.destinations import Sent
    from include.exports.destinations.s3 import S3Destination

LONGEST_LINK_DAYS = 7
"""What version 4 of AWS's signatures allows."""

_LOGIN = {
    *("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"),
    *("ExpiredTokenException", "InvalidClientTokenId"),  # of the service that gives roles
}
_PASSING = {"BadDigest", "NoSuchUpload", "RequestTimeout", "XAmzContentSHA256Mismatch"}
"""Client errors that another try can cure: bytes damaged on the way, an upload that a lifecycle rule aborted."""
_PASSING_STATUS = {408, 409, 429, *range(500, 600)}
_TAKEN = {"ConditionalRequestConflict", "PreconditionFailed"}
"""Something is there already, or somebody else is writing it."""


class S3Store:
    """A `Store` on a bucket. The parts of all large files share the threads of `pool`."""

    def __init__(self, destination: S3Destination, client: Any, pool: Executor, customer_key: bytes | None) -> None:
        self._destination, self._client, self._pool = destination, client, pool
        self._key: dict[str, Any] = {}
        if customer_key:
            self._key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": customer_key}
        self._written_with: dict[str, Any] = {}
        if destination.kms_key_id:
            self._written_with |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": destination.kms_key_id}
        if destination.tags:
            self._written_with["Tagging"] = urlencode(destination.tags)

    def url(self, path: str) -> str:
        return f"s3://{self._destination.bucket}/{path}"

    def put(
        self, source: Path, path: str, sha256: str, about: Mapping[str, str] = NOTHING, sent: Sent = unheard
    ) -> Stored:
        size = source.stat().st_size
        part_size = max(self._destination.part_size, -(-size // MAX_PARTS))
        put = self._put_whole if size <= part_size else self._put_parts
        options = {
            "ChecksumAlgorithm": "SHA256",
            "Metadata": {**about, "sha256": sha256},
            "StorageClass": self._destination.storage_class,
            **self._written_with,
        }
        with self._errors(path):
            return put(Reading(source, size, part_size), path, sha256, options, sent)

    def _put_whole(self, file: Reading, path: str, sha256: str, options: Mapping[str, Any], sent: Sent) -> Stored:
        """One request, unless something is there already."""
        from botocore.exceptions import ClientError

        with file.source.open("rb") as body:
            announced(file.source, sha256, hashlib.file_digest(body, "sha256").hexdigest())
            expected = Stored(size=body.tell(), checksum={"sha256": sha256})
            request = {
                **self._at(path),
                "Body": body,
                "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
            }
            body.seek(0)
            try:
                answer = self._client.put_object(**request, **options, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) not in _TAKEN:
                    raise
                if self._there(path, error) == expected:
                    return expected
                body.seek(0)
                answer = self._client.put_object(**request, **options)
        sent(expected.size)
        return self._verified(path, expected, answer)

    def _put_parts(self, file: Reading, path: str, sha256: str, options: Mapping[str, Any], sent: Sent) -> Stored:
        """A multipart upload, unless the same is there already."""
        if found := self.stat(path):
            for _ in file.parts():
                """Reading it to the end tells its checksums."""
            announced(file.source, sha256, file.sha256)
            if found == Stored(size=file.size, checksum={"sha256_composite": file.composite}):
                return found
        begun = self._client.create_multipart_upload(**self._at(path), **options)
        upload = Upload(self._client, {**self._object(path), "UploadId": begun["UploadId"]}, self._key)
        try:
            parts = upload.send(file, self._pool, sent)
            announced(file.source, sha256, file.sha256)
            answer = upload.complete(parts)
        except BaseException:
            upload.abort()
            raise
        return self._verified(path, Stored(size=file.size, checksum={"sha256_composite": file.composite}), answer)

    def _verified(self, path: str, expected: Stored, answer: Mapping[str, Any]) -> Stored:
        """What was expected, when the store's checksum says so: in its answer, or, as some stores do, when asked."""
        if _checksum(answer.get("ChecksumSHA256")) == expected.checksum:
            return expected
        found = self.stat(path)
        if found is None:
            raise DeliveryRefused(
                f"{self.url(path)} was sent but may not be looked at; grant s3:GetObject on it, so that it can be"
                " verified"
            )
        if found != expected:
            raise VerificationError(f"{self.url(path)} was sent as {expected}, but the store holds {found}")
        return expected

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
            body = self._client.get_object(**self._at(path))["Body"]
        return opened(body.read, partial(self._errors, path), body.close)

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
        metadata = {**about, "sha256": hashlib.sha256(content).hexdigest()}
        request = {**self._at(path), "Body": content, "Metadata": metadata, **self._written_with}
        with self._errors(path):
            try:
                written = self._client.put_object(**request, ChecksumAlgorithm="SHA256", **condition)
            except ClientError as error:
                # What exists, or has another version, is answered by 412, what is gone by 404, two writers by 409.
                if _code(error) not in _TAKEN | {"NoSuchKey"}:
                    raise
                if expected is None:
                    self._there(path, error)
                raise DeliveryInterrupted(
                    f"{self.url(path)} was written by another run meanwhile; run this one again to build on it"
                ) from error
        return str(written["ETag"])

    def _there(self, path: str, error: Exception) -> Stored | None:
        """What stands in the way; None while another writer is not ready. Raises `DeliveryRefused` when the identity
        may not look at it."""
        found = self.stat(path)
        if found is None and _code(error) == "PreconditionFailed":
            raise DeliveryRefused(f"{self.url(path)} exists but may not be read; grant s3:GetObject on it") from error
        return found

    def delete(self, path: str) -> None:
        with self._errors(path):
            self._client.delete_object(**self._object(path))

    def share_link(self, path: str, expires: timedelta) -> str:
        if self._key:
            raise DeliveryRefused(f"{self.url(path)} is encrypted with a customer key, which no address can carry")
        if expires.total_seconds() > LONGEST_LINK_DAYS * 86_400:
            raise DeliveryRefused(f"{self.url(path)}: S3 signs addresses for {LONGEST_LINK_DAYS} days at most")
        with self._errors(path):
            link = self._client.generate_presigned_url(
                "get_object", Params=self._at(path), ExpiresIn=int(expires.total_seconds())
            )
        return str(link)

    def _object(self, path: str) -> dict[str, str]:
        return {"Bucket": self._destination.bucket, "Key": path}

    def _at(self, path: str) -> dict[str, Any]:
        """What every request about the bytes of an object names."""
        return {**self._object(path), **self._key}

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
