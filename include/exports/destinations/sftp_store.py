"""The `Store` on an SFTP server: what `sftp.connect` opens."""

from __future__ import annotations

import hashlib
import io
import time
from contextlib import ExitStack
from posixpath import dirname
from typing import IO, TYPE_CHECKING, TypeVar
from urllib.parse import quote

from include.exports.destinations import NOTHING, Document, Stored, unheard
from include.exports.destinations.local import URL_SAFE
from include.exports.destinations.sftp_files import (
    CHUNK,
    READ_AHEAD,
    RemoteStream,
    answered,
    attributes,
    closing,
    copy,
    drop,
    has_posix_rename,
    pipeline,
)
from include.exports.destinations.sftp_session import errors
from include.exports.errors import DeliveryInterrupted, DeliveryRefused, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import timedelta
    from pathlib import Path

    from paramiko import SFTPClient, SFTPFile

    from include.exports.destinations import Sent
    from include.exports.destinations.sftp import SftpDestination
    from include.exports.destinations.sftp_session import Session

FASTER = "another writer of the same name was faster"
POLL_SECONDS = 0.1
LEASE = 3
"""Timeouts that a document's writer may let pass without visible progress: before and after it writes, it waits for
fewer answers than that."""

Result = TypeVar("Result")


class SftpStore:
    """A `Store` on a folder of a server."""

    def __init__(self, destination: SftpDestination, session: Session, root: str) -> None:
        self._destination, self._session, self._root = destination, session, root.rstrip("/")
        self._posix_rename: bool | None = None

    def url(self, path: str) -> str:
        return f"{self._session.where}{quote(self._at(path), safe=URL_SAFE)}"

    def put(
        self,
        source: Path,
        path: str,
        sha256: str,
        about: Mapping[str, str] = NOTHING,  # noqa: ARG002  # a server keeps no metadata
        sent: Sent = unheard,
    ) -> Stored:
        target, partial = self._at(path), _partial(self._at(path))
        wanted = self._as_stored(source.stat().st_size, sha256)

        def send(sftp: SFTPClient) -> None:
            there = self._stored(sftp, target)
            if there == wanted:
                return
            remote = self._share(sftp, partial, wanted.size)
            try:
                with closing(sftp, remote):
                    copy(source, remote, sha256, sent)
                    self._verify(path, self._held(remote), wanted)
                self._publish(sftp, partial, target, replaces=there is not None)
            except FileNotFoundError as error:
                raise OSError(FASTER) from error
            except BaseException:
                drop(sftp, partial)
                raise

        self._run(path, send)
        return wanted

    def stat(self, path: str) -> Stored | None:
        return self._run(path, lambda sftp: self._stored(sftp, self._at(path)))

    def open(self, path: str) -> IO[bytes]:
        with self._errors(path), ExitStack() as stack:
            sftp = stack.enter_context(self._session.sftp())
            remote = stack.enter_context(closing(sftp, sftp.open(self._at(path), "rb")))
            stream = RemoteStream(remote, lambda: self._errors(path))
            stream.on_close(stack.pop_all())
            return io.BufferedReader(stream, READ_AHEAD)

    def read(self, path: str) -> Document | None:
        return self._run(path, lambda sftp: _read(sftp, self._at(path)))

    def write(
        self,
        path: str,
        content: bytes,
        expected: str | None,
        about: Mapping[str, str] = NOTHING,  # noqa: ARG002  # a server keeps no metadata
    ) -> str:
        target, partial = self._at(path), _partial(self._at(path))
        left = False

        def publish(sftp: SFTPClient) -> None:
            nonlocal left
            if left:  # by this very call, when the connection broke under it
                left = not drop(sftp, partial)
            remote = self._claim(sftp, partial)
            left = True
            try:
                with closing(sftp, remote):
                    self._compare(sftp, path, expected)
                    pipeline(remote, (content[at : at + CHUNK] for at in range(0, len(content), CHUNK)))
                self._verify(path, self._stored(sftp, partial), self._as_stored(len(content), _version(content)))
                self._publish(sftp, partial, target, replaces=expected is not None)
            except FileNotFoundError as error:
                left = False
                raise OSError(FASTER) from error
            except BaseException:
                left = not drop(sftp, partial)
                raise

        self._run(path, publish)
        return _version(content)

    def delete(self, path: str) -> None:
        def remove(sftp: SFTPClient) -> None:
            for name in (_partial(self._at(path)), self._at(path)):
                try:
                    sftp.remove(name)
                except FileNotFoundError:
                    pass
                except PermissionError as error:
                    raise DeliveryRefused(
                        f"{self.url(path)}: {error.strerror}; grant this action, to delete, to the account of Airflow"
                        f" connection {self._destination.conn_id!r}"
                    ) from error

        self._run(path, remove)

    def share_link(self, path: str, expires: timedelta) -> str:  # noqa: ARG002  # whatever they are, it is refused
        raise DeliveryRefused(f"{self.url(path)}: an SFTP server signs no addresses; give readers an account on it")

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _errors(self, path: str) -> AbstractContextManager[None]:
        return errors(self.url(path), self._destination)

    def _run(self, path: str, operation: Callable[[SFTPClient], Result]) -> Result:
        with self._errors(path):
            return self._session.run(operation)

    def _stored(self, sftp: SFTPClient, target: str) -> Stored | None:
        try:
            if self._destination.verify == "size":
                return self._as_stored(sftp.stat(target).st_size, "")
            with closing(sftp, sftp.open(target, "rb")) as remote:
                return self._held(remote)
        except FileNotFoundError:
            return None

    def _held(self, remote: SFTPFile) -> Stored:
        """What an open file is; its name may be another's by now."""
        if self._destination.verify == "size":
            return self._as_stored(remote.stat().st_size, "")
        with RemoteStream(remote) as stream, io.BufferedReader(stream, READ_AHEAD) as reader:
            digest = hashlib.file_digest(reader, "sha256")
        return self._as_stored(stream.size, digest.hexdigest())

    def _as_stored(self, size: int, sha256: str) -> Stored:
        return Stored(size=size, checksum={"sha256": sha256} if self._destination.verify == "sha256" else {})

    def _verify(self, path: str, found: Stored | None, wanted: Stored) -> None:
        """That what will be renamed is what was sent."""
        if found is None:
            raise FileNotFoundError
        if found != wanted:
            raise VerificationError(
                f"{self.url(path)} was sent as {wanted}, but the server holds {found}; nothing was delivered"
            )

    def _share(self, sftp: SFTPClient, partial: str, size: int) -> SFTPFile:
        """The file that everybody writes who puts the same name.

        The names of parts follow from their bytes, so they all write the same bytes to the same places and do not
        disturb each other, and what a killed one left is written over.
        """
        try:
            return self._create(sftp, partial)
        except OSError as error:
            if not answered(error):
                raise
            try:
                remote = sftp.open(partial, "r+")
            except FileNotFoundError:
                raise error from None  # it was not in the way, or is no longer
        if (remote.stat().st_size or 0) > size:
            remote.truncate(size)
        return remote

    def _claim(self, sftp: SFTPClient, partial: str) -> SFTPFile:
        """The file that only one may write at a time. Waits for another writer that is alive.

        A writer shows some progress, or gives up, within `LEASE` timeouts. Who shows none has been killed.
        """
        seen, since = None, time.monotonic()
        while True:
            try:
                return self._create(sftp, partial)
            except OSError as error:
                if not answered(error) or (found := attributes(sftp, partial)) is None:
                    raise
            if seen != (state := (found.st_size, found.st_mtime)):
                seen, since = state, time.monotonic()
            elif time.monotonic() - since > LEASE * self._session.timeout:
                drop(sftp, partial)
            else:
                time.sleep(POLL_SECONDS)

    def _compare(self, sftp: SFTPClient, path: str, expected: str | None) -> None:
        started, current = time.monotonic(), _read(sftp, self._at(path))
        if (current.version if current else None) != expected:
            raise DeliveryInterrupted(
                f"{self.url(path)} was written by another run meanwhile; run this one again to build on it"
            )
        if time.monotonic() - started > self._session.timeout:
            raise TimeoutError("reading it took so long that another run may have taken it over")

    def _create(self, sftp: SFTPClient, partial: str) -> SFTPFile:
        mode = "wx" if self._destination.verify == "size" else "wx+"
        try:
            return sftp.open(partial, mode)
        except FileNotFoundError:
            self._make_folders(sftp, dirname(partial))
            return sftp.open(partial, mode)

    def _make_folders(self, sftp: SFTPClient, folder: str) -> None:
        """Those below the destination's own, which must be there."""
        below = folder[len(self._root) :].split("/")
        for depth in range(2, len(below) + 1):
            path = self._root + "/".join(below[:depth])
            try:
                sftp.mkdir(path)
            except OSError:
                if attributes(sftp, path) is None:
                    raise

    def _publish(self, sftp: SFTPClient, partial: str, target: str, *, replaces: bool) -> None:
        """Rename. Over what is there at once where the server has posix-rename, and after removing it where not."""
        if not replaces:
            sftp.rename(partial, target)  # which fails when there is something already
            return
        if self._posix_rename is None:
            self._posix_rename = has_posix_rename(sftp, f"{partial}.none")
        if self._posix_rename:
            sftp.posix_rename(partial, target)
            return
        sftp.remove(target)
        sftp.rename(partial, target)


def _partial(target: str) -> str:
    folder, _, name = target.rpartition("/")
    return f"{folder}/.{name}.partial"


def _read(sftp: SFTPClient, target: str) -> Document | None:
    try:
        remote = sftp.open(target, "rb")
    except FileNotFoundError:
        return None
    with closing(sftp, remote):
        content = RemoteStream(remote).readall()
    return Document(content=content, version=_version(content))


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
