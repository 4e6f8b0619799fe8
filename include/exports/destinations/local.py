"""A folder of this machine, or of a share that is mounted on it.

What a folder does differently from an object store, and what follows:

- A file is visible while it is written. Files are written as `.<name>.partial` beside their place and renamed.
- A process that is killed leaves its `.partial`; the next `put` or `delete` of the same name takes it over.
- There is no conditional write. Writers of one name take an advisory lock (flock) on its `.partial` first, which the
  kernel releases when a process dies. It holds between processes of one machine, and on NFS 4 between machines.
- There is no stored checksum. `stat` reads the file back.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from contextlib import contextmanager
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from include.exports.destinations import NOTHING, Capabilities, Document, Sent, Stored, announced, unheard
from include.exports.destinations.purpose import Purpose
from include.exports.errors import DeliveryInterrupted, DeliveryRefused
from include.exports.paths import RelativePath, Segment, local_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta
    from pathlib import Path


_NO_SERVER = "a folder has no server that answers; the kernel and the mount's own settings decide"
_NO_NETWORK = "a folder is not reached through a network that this project knows of"
CAPABILITIES = Capabilities(
    checksums=("sha256",),
    gaps={
        "test_a_connection_that_is_reset_in_the_middle_of_a_file_is_taken_up_again_or_leaves_nothing": _NO_NETWORK,
        "test_a_connection_that_is_always_reset_ends_in_one_error": _NO_NETWORK,
        "test_a_login_that_is_refused_is_not_repeated": "a folder has no login",
        "test_a_peer_that_falls_silent_is_given_up": _NO_NETWORK,
        "test_a_peer_that_falls_silent_while_a_file_is_read_is_given_up": _NO_NETWORK,
        "test_a_server_that_cannot_be_reached_is_given_up": _NO_NETWORK,
        "test_a_server_that_fails_for_a_moment_is_asked_again": _NO_SERVER,
        "test_a_server_that_keeps_failing_is_given_up_with_one_error": _NO_SERVER,
        "test_a_share_link_lets_anybody_read_until_it_expires": "a folder signs no addresses",
        "test_who_may_not_delete_can_deliver": "who may create a file in a folder may remove it too",
        "test_a_slow_network_still_delivers": _NO_NETWORK,
        "test_a_writer_that_is_killed_half_way_leaves_nothing_visible": _NO_NETWORK,
    },
)

CHUNK = 1 << 20
URL_SAFE = "/!'()*="
"""What stays as it is in an address besides letters, digits and `_.-~`: hive folders are called `day=2024-05-01`, and
many readers do not decode addresses."""

REFUSED = {
    errno.EROFS: "mount the folder so that it may be written",
    errno.ENAMETOOLONG: "shorten the folder or the name",
}
"""What Python has no exception of its own for, and trying again does not help with; and what does."""


def _folder(value: str) -> str:
    if "\0" in value:
        raise ValueError(f"{value!r} is not a path; remove the NUL")
    if PurePath(os.path.normpath(value)).parts[:1] == ("..",):
        raise ValueError(f"{value!r} leads out of the project's folder; write an absolute path")
    return value


class LocalDestination(Purpose):
    """A folder, such as a mounted share."""

    type: Literal["local"] = "local"
    name: Segment = "local"
    """What `%DESTINATION_INSTANCE_NAME%` becomes."""
    path: Annotated[str, Field(min_length=1), AfterValidator(_folder)]
    """The folder; relative to the project's folder, or absolute. It is created when it is missing, its parent is not:
    a share that is not mounted must not be replaced by an empty folder."""
    prefix: RelativePath = ""
    """Folders inside `path` under which everything is written."""

    @property
    def place(self) -> str:
        """What the paths of two destinations must share to be the same files, whatever else they declare."""
        return local_path(self.path).as_uri()


class LocalStore:
    """A `Store` on a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def url(self, path: str) -> str:
        return f"file://{quote(str(self._root / path), safe=URL_SAFE)}"

    def put(
        self,
        source: Path,
        path: str,
        sha256: str,
        about: Mapping[str, str] = NOTHING,  # noqa: ARG002  # a folder keeps no metadata
        sent: Sent = unheard,
    ) -> Stored:
        target = self._root / path
        with _errors(target), _partial(target) as partial:
            if not (target.exists() and _digest(target) == sha256):
                _copy(source, partial, sha256, sent)
                _publish(partial, target)
        return _found(self.stat(path), target)

    def stat(self, path: str) -> Stored | None:
        target = self._root / path
        with _errors(target):
            if not target.exists():
                return None
            return Stored(size=target.stat().st_size, checksum={"sha256": _digest(target)})

    def open(self, path: str) -> IO[bytes]:
        target = self._root / path
        with _errors(target):
            return target.open("rb")

    def read(self, path: str) -> Document | None:
        target = self._root / path
        with _errors(target):
            if not target.exists():
                return None
            content = target.read_bytes()
        return Document(content=content, version=hashlib.sha256(content).hexdigest())

    def write(
        self,
        path: str,
        content: bytes,
        expected: str | None,
        about: Mapping[str, str] = NOTHING,  # noqa: ARG002  # a folder keeps no metadata
    ) -> str:
        target = self._root / path
        with _errors(target), _partial(target) as partial:
            current = self.read(path)
            if (current.version if current else None) != expected:
                raise DeliveryInterrupted(
                    f"{target} was written by another run meanwhile; run this one again to build on it"
                )
            partial.write(content)
            _publish(partial, target)
        return hashlib.sha256(content).hexdigest()

    def delete(self, path: str) -> None:
        target = self._root / path
        with _errors(target):
            if target.with_name(_partial_name(target)).exists():
                with _partial(target):
                    """Taking it over and letting go removes it, and waits for a writer that is still alive."""
            target.unlink(missing_ok=True)

    def share_link(self, path: str, expires: timedelta) -> str:  # noqa: ARG002  # whatever they are, it is refused
        raise DeliveryRefused(f"{self.url(path)}: a folder signs no addresses; give readers access to it")


@contextmanager
def connect(destination: LocalDestination) -> Iterator[LocalStore]:
    """The folder, created when only its last part is missing. Raises `DeliveryRefused` when its parent is missing."""
    root = local_path(destination.path)
    with _errors(root):
        root.mkdir(exist_ok=True)
    yield LocalStore(root)


def credential_ends(_: LocalDestination) -> None:
    """A folder has no credential."""


def _partial_name(target: Path) -> str:
    return f".{target.name}.partial"


@contextmanager
def _partial(target: Path) -> Iterator[IO[bytes]]:
    """The empty `.partial` of `target`, locked. It is gone afterwards, renamed or removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(_partial_name(target))
    while True:
        with path.open("ab") as partial:
            fcntl.flock(partial, fcntl.LOCK_EX)
            if not _same(partial, path):  # who held the lock before renamed or removed the file we waited for
                continue
            partial.truncate(0)
            try:
                yield partial
            finally:
                if _same(partial, path):
                    path.unlink()
            return


def _same(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _copy(source: Path, partial: IO[bytes], sha256: str, sent: Sent) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            partial.write(chunk)
            sent(len(chunk))
    announced(source, sha256, digest.hexdigest())


def _publish(partial: IO[bytes], target: Path) -> None:
    partial.flush()
    os.fsync(partial.fileno())
    target.with_name(_partial_name(target)).replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _found(stored: Stored | None, target: Path) -> Stored:
    if stored is None:
        raise DeliveryInterrupted(f"{target} vanished while it was delivered; something else removes files there")
    return stored


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (DeliveryRefused, DeliveryInterrupted):  # these are OSErrors themselves
        raise
    except (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise DeliveryRefused(
            f"{path}: {error.strerror}; check that the folder exists, is mounted and may be written by the worker"
        ) from error
    except ValueError as error:  # a path that no file can have
        raise DeliveryRefused(f"{str(path)!r}: {error}; correct the folder or the name") from error
    except OSError as error:
        if error.errno in REFUSED:
            raise DeliveryRefused(f"{path}: {error.strerror}; {REFUSED[error.errno]}") from error
        full = "the destination is full: free space there; " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise DeliveryInterrupted(f"{path}: {error.strerror}; {full}the run is tried again") from error
