"""The `Store` on a container of Azure Data Lake Storage: what `adls.connect` opens."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from threading import BoundedSemaphore
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from include.exports.destinations import NOTHING, Document, Stored, announced, unheard
from include.exports.destinations.azure_errors import NO_RIGHT, code, errors
from include.exports.destinations.stream import opened
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta
    from pathlib import Path

    from azure.storage.filedatalake import DataLakeFileClient, DataLakeServiceClient

    from include.exports.destinations import Sent
    from include.exports.destinations.adls import AdlsDestination

log = logging.getLogger(__name__)

CHUNK = 1 << 20
CONCURRENCY = 4
"""Appends in memory and in flight, of all files together."""
MAX_APPENDS = 50_000

_CONDITION = {"ConditionNotMet", "PathAlreadyExists"}
"""Answers to a conditional rename when something else is there."""
_MISSING = {"BlobNotFound", "PathNotFound"}
_OVERTAKEN = _MISSING | {"SourcePathNotFound"}
"""Answers about an attempt when another one at the same file was published, which removes all."""


class AdlsStore:
    """A `Store` on a container."""

    def __init__(
        self,
        destination: AdlsDestination,
        service: DataLakeServiceClient,
        key: Mapping[str, Any],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._destination, self._service, self._key, self._pool = destination, service, key, pool
        self._container = service.get_file_system_client(destination.container)
        self._room = BoundedSemaphore(CONCURRENCY)
        self._may_delete = True

    def url(self, path: str) -> str:
        return f"abfss://{self._destination.container}@{self._service.primary_hostname}/{path}"

    def put(
        self, source: Path, path: str, sha256: str, about: Mapping[str, str] = NOTHING, sent: Sent = unheard
    ) -> Stored:
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        if source.stat().st_size > self._destination.part_size and (found := self._same(source, path, sha256)):
            return found
        with self._errors(path):
            try:
                with self._attempt(path, sha256, about) as attempt:
                    expected = self._send(source, sha256, attempt, sent)
                    try:
                        attempt.rename_file(self._name(path), match_condition=MatchConditions.IfMissing)
                    except HttpResponseError as error:
                        if code(error) not in _CONDITION:
                            raise
                        if self.stat(path) == expected:
                            sent(-expected.size)
                        else:
                            attempt.rename_file(self._name(path))
            except HttpResponseError as error:
                if code(error) not in _OVERTAKEN:
                    raise
                if found := self._same(source, path, sha256):
                    return found
                raise self._overtaken(path) from error
        found = self.stat(path)
        if found != expected:
            raise VerificationError(f"{self.url(path)} was sent as {expected}, but the store holds {found}")
        return expected

    def stat(self, path: str) -> Stored | None:
        from azure.core.exceptions import HttpResponseError

        with self._errors(path):
            try:
                found = self._file(path).get_file_properties(**self._key)
            except HttpResponseError as error:
                if code(error) in _MISSING:
                    return None
                raise
        md5 = found.content_settings.content_md5
        return Stored(size=found.size, checksum={"md5": bytes(md5).hex()} if md5 else {})

    def open(self, path: str) -> IO[bytes]:
        with self._errors(path):
            download = self._file(path).download_file(**self._key)
        return opened(download.read, partial(self._errors, path))

    def read(self, path: str) -> Document | None:
        from azure.core.exceptions import HttpResponseError

        with self._errors(path):
            try:
                found = self._file(path).download_file(**self._key)
                return Document(content=found.readall(), version=str(found.properties.etag))
            except HttpResponseError as error:
                if code(error) in _MISSING:
                    return None
                raise

    def write(self, path: str, content: bytes, expected: str | None, about: Mapping[str, str] = NOTHING) -> str:
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        condition: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if expected:
            condition = {"match_condition": MatchConditions.IfNotModified, "etag": expected}
        sha256 = hashlib.sha256(content).hexdigest()
        with self._errors(path):
            try:
                with self._attempt(path, sha256, about) as attempt:
                    self._append(attempt, content, 0, unheard)
                    self._flush(attempt, len(content), hashlib.md5(content, usedforsecurity=False).digest())
                    attempt.rename_file(self._name(path), **condition)
                written = self._file(path).get_file_properties(**self._key)
            except HttpResponseError as error:
                if code(error) not in _CONDITION | _OVERTAKEN:
                    raise
                raise self._overtaken(path) from error
        if written.metadata["sha256"] != sha256:
            raise self._overtaken(path)
        return str(written.etag)

    def delete(self, path: str) -> None:
        with self._errors(path):
            self._remove(_attempts(path), recursive=True)
            self._remove(path)

    def share_link(self, path: str, expires: timedelta) -> str:
        from datetime import UTC, datetime

        from azure.storage.filedatalake import generate_file_sas

        starts, (folder, _, name) = datetime.now(UTC), path.rpartition("/")
        with self._errors(path):
            token = generate_file_sas(
                *(str(self._service.account_name), self._destination.container, folder, name),
                credential=self._signing_key(path, starts, starts + expires),
                permission="r",
                expiry=starts + expires,
            )
        return f"{self._file(path).url}?{token}"

    def _signing_key(self, path: str, starts: datetime, ends: datetime) -> Any:
        """The account's key, or one that the service gives for a while to who has signed in by a token."""
        credential = self._service.credential
        if hasattr(credential, "account_key"):
            return credential.account_key
        if hasattr(credential, "get_token"):
            return self._service.get_user_delegation_key(starts, ends)
        raise DeliveryRefused(
            f"{self.url(path)}: a SAS signs no other; sign in by account key or service principal to share links"
        )

    @contextmanager
    def _attempt(self, path: str, sha256: str, about: Mapping[str, str]) -> Iterator[DataLakeFileClient]:
        """A new file that no reader finds, to be published by renaming it. Nothing is left of it afterwards.

        No other attempt has its name: an append has no condition, so two writers of one name would mix their bytes.
        """
        from azure.core.exceptions import AzureError

        attempt = self._file(f"{_attempts(path)}/{uuid4().hex}")
        attempt.create_file(metadata={**about, "sha256": sha256}, **self._key)
        try:
            yield attempt
        except BaseException:
            with suppress(AzureError):
                self._remove(attempt.path_name)
                self._remove(_attempts(path), recursive=False)
            raise
        try:
            self._remove(_attempts(path), recursive=True)
        except AzureError as error:
            if code(error) != NO_RIGHT:
                raise
            if self._may_delete:
                self._may_delete = False
                log.warning(
                    "Airflow connection %r may not delete: an empty folder such as %s stays beside each file",
                    *(self._destination.conn_id, self.url(_attempts(path))),
                )

    def _send(self, source: Path, sha256: str, attempt: DataLakeFileClient, sent: Sent) -> Stored:
        """Append a file in parts, several at once, and make them its content."""
        part_size = max(self._destination.part_size, -(-source.stat().st_size // MAX_APPENDS))
        digests, sending = _Digests(), deque[Future[Any]]()
        with source.open("rb") as stream:
            try:
                while part := self._next(stream, part_size):
                    sending.append(self._pool.submit(self._append, attempt, part, digests.size, sent))
                    sending[-1].add_done_callback(lambda _: self._room.release())
                    digests.update(part)
                    while sending and sending[0].done():
                        sending.popleft().result()
            finally:
                wait(sending)
        for rest in sending:
            rest.result()
        announced(source, sha256, digests.sha256.hexdigest())
        self._flush(attempt, digests.size, digests.md5.digest())
        return digests.stored()

    def _append(self, attempt: DataLakeFileClient, part: bytes, position: int, sent: Sent) -> None:
        attempt.append_data(part, position, len(part), validate_content="md5", **self._key)
        sent(len(part))

    def _next(self, stream: IO[bytes], size: int) -> bytes:
        """The next part of a file, once there is room for it in memory."""
        self._room.acquire()
        part = b""
        try:
            part = stream.read(size)
        finally:
            if not part:
                self._room.release()
        return part

    def _flush(self, attempt: DataLakeFileClient, size: int, md5: bytes) -> None:
        """Make what was appended the content of a file, with its MD5, which Azure keeps and does not check."""
        from azure.storage.filedatalake import ContentSettings

        attempt.flush_data(size, content_settings=ContentSettings(content_md5=bytearray(md5)), **self._key)

    def _same(self, source: Path, path: str, sha256: str) -> Stored | None:
        """What is at `path` when it is the same bytes."""
        found = self.stat(path)
        if found is None or found.size != source.stat().st_size:
            return None
        digests = _Digests()
        with source.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digests.update(chunk)
        announced(source, sha256, digests.sha256.hexdigest())
        return found if found == digests.stored() else None

    def _remove(self, path: str, **options: Any) -> None:
        """Remove a file, or a folder when `recursive` is said. It is no error when there is nothing."""
        from azure.core.exceptions import HttpResponseError

        try:
            self._file(path).delete_file(**options)
        except HttpResponseError as error:
            if code(error) not in _MISSING:
                raise

    def _file(self, path: str) -> DataLakeFileClient:
        return self._container.get_file_client(path)

    def _name(self, path: str) -> str:
        """What a file is renamed to."""
        return f"{self._destination.container}/{path}"

    def _overtaken(self, path: str) -> DeliveryInterrupted:
        return DeliveryInterrupted(
            f"{self.url(path)} was written by another run meanwhile; run this one again to build on it"
        )

    def _errors(self, path: str) -> AbstractContextManager[None]:
        return errors(self.url(path), self._destination.conn_id)


class _Digests:
    """Size, MD5 and SHA-256 of a file, in one pass."""

    def __init__(self) -> None:
        self.size, self.md5, self.sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.md5.update(chunk)
        self.sha256.update(chunk)

    def stored(self) -> Stored:
        return Stored(size=self.size, checksum={"md5": self.md5.hexdigest()})


def _attempts(path: str) -> str:
    """The hidden folder of the files that are to become `path`."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.partial".removeprefix("/")
