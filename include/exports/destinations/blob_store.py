"""The `Store` on a container of Azure Blob Storage: what `blob.connect` and `dlz.connect` open."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Self

from include.exports.destinations import NOTHING, Document, Stored, announced, unheard
from include.exports.destinations.azure_errors import NO_RIGHT, code, errors
from include.exports.destinations.stream import opened
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta
    from pathlib import Path

    from azure.storage.blob import BlobServiceClient

    from include.exports.destinations import Sent

MIB = 1 << 20
MAX_BLOCKS = 50_000
CONCURRENCY = 4
"""Blocks in flight, of all files together."""

_EXISTS = {"BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite"}
"""Answers to a conditional create when something is there; the last one is for a SAS that may not write."""
_OTHER = _EXISTS | {"BlobNotFound"}
"""Answers to a conditional replacement when something else, or nothing, is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked of the store for each blob, as arguments of Azure's client."""

    field: str
    """The field of the definition that names the container."""
    part_size: int
    """Bytes of a block; a file that has no more is sent in one request."""
    always: Mapping[str, Any]
    """For all that is read or written."""
    writes: Mapping[str, Any]
    """For all that is written."""
    files: Mapping[str, Any]
    """For data files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Digests:
    """What the store must say about a file, and how it is sent."""

    sha256: str
    md5: bytes
    blocks: tuple[bytes, ...]
    """The MD5 of each block."""
    block_size: int
    size: int

    @property
    def stored(self) -> Stored:
        return Stored(size=self.size, checksum={"md5": self.md5.hex()})


class BlobStore:
    """A `Store` on a container."""

    def __init__(self, service: BlobServiceClient, container: str, conn_id: str, options: Options) -> None:
        self._service, self._client = service, service.get_container_client(container)
        self._conn_id, self._options = conn_id, options
        self._root = self._client.url.partition("?")[0]
        self._pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="blocks")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what sends blocks."""
        self._pool.shutdown(cancel_futures=True)

    def url(self, path: str) -> str:
        return f"{self._root}/{path}"

    def put(
        self, source: Path, path: str, sha256: str, about: Mapping[str, str] = NOTHING, sent: Sent = unheard
    ) -> Stored:
        file = _digest(source, self._options.part_size)
        announced(source, sha256, file.sha256)
        if len(file.blocks) > 1 and self._seen(path) == file.stored:
            return file.stored
        options = {"metadata": {**about, "sha256": sha256}, **self._options.writes, **self._options.files}
        with self._errors(path):
            if len(file.blocks) > 1:
                self._put_blocks(source, path, file, options, sent)
            else:
                self._put_blob(source, path, file, options, sent)
        return file.stored

    def stat(self, path: str) -> Stored | None:
        from azure.core.exceptions import HttpResponseError

        with self._errors(path):
            try:
                found = self._client.get_blob_client(path).get_blob_properties(**self._options.always)
            except HttpResponseError as error:
                if code(error) == "BlobNotFound":
                    return None
                if code(error) == NO_RIGHT:
                    raise DeliveryRefused(
                        f"{self.url(path)}: what is there may not be looked at; grant reading to Airflow connection"
                        f" {self._conn_id!r}"
                    ) from error
                raise
        md5 = found.content_settings.content_md5
        return Stored(size=found.size, checksum={"md5": bytes(md5).hex()} if md5 else {})

    def open(self, path: str) -> IO[bytes]:
        with self._errors(path):
            stream = self._client.download_blob(path, **self._options.always)
        return opened(stream.read, partial(self._errors, path))

    def read(self, path: str) -> Document | None:
        from azure.core.exceptions import HttpResponseError

        with self._errors(path):
            try:
                found = self._client.download_blob(path, **self._options.always)
                return Document(content=found.readall(), version=str(found.properties.etag))
            except HttpResponseError as error:
                # What may not be read counts as nothing: what is written next is a conditional create.
                if code(error) in {"BlobNotFound", NO_RIGHT}:
                    return None
                raise

    def write(self, path: str, content: bytes, expected: str | None, about: Mapping[str, str] = NOTHING) -> str:
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        match: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if expected:
            match = {"match_condition": MatchConditions.IfNotModified, "etag": expected}
        with self._errors(path):
            try:
                written = self._client.get_blob_client(path).upload_blob(
                    content,
                    overwrite=True,  # as the condition says
                    **match,
                    metadata=dict(about),
                    headers=_checked(hashlib.md5(content, usedforsecurity=False).digest()),
                    **self._options.writes,
                )
            except HttpResponseError as error:
                if code(error) not in _OTHER:
                    raise
                if expected is None:
                    self.stat(path)  # refused: what is there may be our own, and nobody can tell
                raise DeliveryInterrupted(
                    f"{self.url(path)} was written by another run meanwhile; run this one again to build on it"
                ) from error
        return str(written["etag"])

    def delete(self, path: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with self._errors(path):
            try:
                self._client.delete_blob(path)
            except ResourceNotFoundError as error:
                if code(error) != "BlobNotFound":
                    raise

    def share_link(self, path: str, expires: timedelta) -> str:
        from datetime import UTC, datetime

        from azure.storage.blob import generate_blob_sas

        ends = datetime.now(UTC) + expires
        with self._errors(path):
            token = generate_blob_sas(
                str(self._client.account_name),
                self._client.container_name,
                path,
                permission="r",
                expiry=ends,
                **self._signing_key(path, ends),
            )
        return f"{self.url(path)}?{token}"

    def _put_blob(self, source: Path, path: str, file: _Digests, options: Mapping[str, Any], sent: Sent) -> None:
        upload = partial(self._client.get_blob_client(path).upload_blob, source.read_bytes(), overwrite=True)
        answer = self._create(path, file, lambda **how: upload(**options, headers=_checked(file.md5), **how))
        if answer is None:
            return
        if bytes(answer["content_md5"]) != file.md5:
            raise VerificationError(
                f"{self.url(path)} was sent as {file.stored}, but the store has MD5 {answer['content_md5'].hex()}"
            )
        sent(file.size)

    def _put_blocks(self, source: Path, path: str, file: _Digests, options: Mapping[str, Any], sent: Sent) -> None:
        from azure.storage.blob import BlobBlock, ContentSettings

        blob = self._client.get_blob_client(path)
        # The name of a block says what it holds, so that two writers never mix theirs. All have one length.
        names = [f"{number:05d}-{md5.hex()}" for number, md5 in enumerate(file.blocks)]

        def stage(number: int) -> None:
            with source.open("rb") as stream:
                stream.seek(number * file.block_size)
                content = stream.read(file.block_size)
            blob.stage_block(names[number], content, headers=_checked(file.blocks[number]), **self._options.writes)
            sent(len(content))

        running = [self._pool.submit(stage, number) for number in range(len(names))]
        try:
            for each in running:
                each.result()
        finally:
            for each in running:
                each.cancel()
        settings, blocks = ContentSettings(content_md5=bytearray(file.md5)), [BlobBlock(name) for name in names]
        self._create(path, file, lambda **how: blob.commit_block_list(blocks, settings, **options, **how))
        found = self._seen(path)
        if found is not None and found != file.stored:
            raise VerificationError(f"{self.url(path)} was sent as {file.stored}, but the store holds {found}")

    def _create(self, path: str, file: _Digests, send: Callable[..., dict[str, Any]]) -> dict[str, Any] | None:
        """Send what is not there, or is something else. The store's answer; None when the same was there already."""
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        try:
            return send(match_condition=MatchConditions.IfMissing)
        except HttpResponseError as error:
            if code(error) not in _EXISTS:
                raise
        return None if self.stat(path) == file.stored else send()

    def _seen(self, path: str) -> Stored | None:
        """What the store holds; None also when it may not be looked at."""
        try:
            return self.stat(path)
        except DeliveryRefused:
            return None

    def _signing_key(self, path: str, ends: datetime) -> dict[str, Any]:
        """The account's key, or one that the service gives for a while to who has signed in by a token."""
        from datetime import UTC, datetime

        credential = self._service.credential
        if hasattr(credential, "account_key"):
            return {"account_key": credential.account_key}
        if hasattr(credential, "get_token"):
            return {"user_delegation_key": self._service.get_user_delegation_key(datetime.now(UTC), ends)}
        raise DeliveryRefused(
            f"{self.url(path)}: a SAS signs no other; sign in by account key or service principal to share links"
        )

    def _errors(self, path: str) -> AbstractContextManager[None]:
        return errors(self.url(path), self._conn_id, self._options.field)


def _checked(md5: bytes) -> dict[str, str]:
    """The header by which the service refuses a body that is not what it was."""
    return {"Content-MD5": base64.b64encode(md5).decode()}


def _digest(source: Path, part_size: int) -> _Digests:
    """SHA-256 and MD5 of a file, and the MD5 of each block, in one pass."""
    size = source.stat().st_size
    block_size = max(part_size, -(-size // MAX_BLOCKS))
    sha256, md5, blocks = hashlib.sha256(), hashlib.md5(usedforsecurity=False), []
    with source.open("rb") as stream:
        while block := stream.read(block_size):
            sha256.update(block)
            md5.update(block)
            blocks.append(hashlib.md5(block, usedforsecurity=False).digest())
    return _Digests(sha256=sha256.hexdigest(), md5=md5.digest(), blocks=tuple(blocks), block_size=block_size, size=size)
