"""Reads and writes the files of an SFTP session, with many requests under way at once."""

from __future__ import annotations

import hashlib
import io
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from include.exports.destinations import announced
from include.exports.errors import DeliveryInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from paramiko import SFTPAttributes, SFTPClient, SFTPFile

    from include.exports.destinations import Sent

CHUNK = 1 << 15
"""Bytes of one request to write: what every server takes, and what paramiko cuts larger ones into."""
READ_AHEAD = 1 << 22
"""Bytes that are asked for at once when a file is read."""


class RemoteStream(io.RawIOBase):
    """A remote file, read with many requests under way at once."""

    def __init__(self, remote: SFTPFile, errors: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._remote, self._errors, self._position = remote, errors, 0
        self.size: int = remote.stat().st_size
        self._stack = ExitStack()

    def on_close(self, stack: ExitStack) -> None:
        """What ends with this file."""
        self._stack = stack

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._next(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self._next(READ_AHEAD), b""))

    def close(self) -> None:
        if not self.closed:
            self._stack.close()
        super().close()

    def _next(self, size: int) -> bytes:
        end = min(self._position + size, self.size)
        blocks = [(at, min(CHUNK, end - at)) for at in range(self._position, end, CHUNK)]
        with self._errors():
            content = b"".join(self._remote.readv(blocks)) if blocks else b""
        if len(content) != end - self._position:
            raise DeliveryInterrupted("the file became shorter while it was read; the run is tried again")
        self._position = end
        return content


@contextmanager
def closing(sftp: SFTPClient, remote: SFTPFile) -> Iterator[SFTPFile]:
    try:
        yield remote
    except TimeoutError:
        sftp.close()  # closing the file would ask the silent server once more
        raise
    finally:
        remote.close()


def attributes(sftp: SFTPClient, path: str) -> SFTPAttributes | None:
    try:
        return sftp.stat(path)
    except FileNotFoundError:
        return None


def answered(error: OSError) -> bool:
    """Whether it is the server's answer that it failed, without saying why: SFTP has no code for what exists."""
    return type(error) is OSError and error.errno is None


def copy(source: Path, remote: SFTPFile, sha256: str, sent: Sent) -> None:
    """Send a file. Raises `VerificationError` when it is not what `sha256` says."""
    digest, size = hashlib.sha256(), 0

    def chunks() -> Iterator[bytes]:
        nonlocal size
        with source.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                yield chunk
                size += len(chunk)
                sent(len(chunk))

    try:
        pipeline(remote, chunks())
    except BaseException:
        sent(-size)
        raise
    announced(source, sha256, digest.hexdigest())


def pipeline(remote: SFTPFile, chunks: Iterable[bytes]) -> None:
    """Write without waiting for the answer to each request. Raises what any of them was answered."""
    last = b""
    remote.set_pipelined(True)
    for chunk in chunks:
        remote.write(last)
        last = chunk
    remote.set_pipelined(False)  # the last one waits for all answers; closing the file would not look at them
    remote.write(last)


def drop(sftp: SFTPClient, partial: str) -> bool:
    """Remove it; whether it is gone."""
    from paramiko import SSHException

    try:
        sftp.remove(partial)
    except FileNotFoundError:
        return True
    except (SSHException, OSError, EOFError):
        return False
    return True


def has_posix_rename(sftp: SFTPClient, nothing: str) -> bool:
    """A server that has it does not find `nothing`; one that has not fails otherwise."""
    try:
        sftp.posix_rename(nothing, nothing)
    except FileNotFoundError:
        return True
    except OSError as error:
        if not answered(error) and not isinstance(error, PermissionError):
            raise
    return False
