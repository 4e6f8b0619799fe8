"""For every destination of the registry, a real server of its kind and what the contract must do to it from outside."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from include.exports import LocalDestination
from tests.rigs.adls import AdlsRig
from tests.rigs.blob import BlobRig
from tests.rigs.dlz import DataLandingZoneRig
from tests.rigs.gcs import GcsRig
from tests.rigs.s3 import S3Rig
from tests.rigs.sftp import BluntRig, OpenSshRig, SftpRig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


class Rig(Protocol):
    """An empty destination. What is asked of it here does not go through the code under test."""

    destination: Any
    """As it is declared. Its identity has the rights that the documentation asks for, and no others."""
    part_size: int
    """Bytes after which a file is sent in another part."""

    def missing(self) -> Any:
        """A destination whose bucket or folder does not exist."""

    def read_only(self) -> Any:
        """The same place, by an identity that may only read."""

    def without_delete(self) -> Any:
        """The same place, by an identity that may not remove anything."""

    def without_login(self) -> Any:
        """The same place, by an identity that is refused."""

    def signing(self) -> Any:
        """The same place, by an identity whose credential signs addresses."""

    def visible(self) -> dict[str, bytes]:
        """Everything that a reader finds, by path."""

    def leftovers(self) -> list[str]:
        """What takes space and no reader finds."""

    def place(self, path: str, content: bytes) -> None:
        """Make a file that the code under test has not written."""

    def interrupt(self, path: str) -> None:
        """Leave what a writer leaves that is killed half-way through `path`."""

    def identity(self, path: str) -> object:
        """Something that differs after `path` was written again."""

    def breaking(self) -> AbstractContextManager[None]:
        """Make uploads fail after their first part."""

    def failing(self, how: str, times: int) -> None:
        """Make so many of the next requests that write fail: a status such as `503`, or `reset`."""

    def requests(self) -> int:
        """How many requests it has been asked, 0 where there is no server, or one that does not count."""

    def connections(self) -> int:
        """How many connections were opened to it, 0 where there is no server."""

    def address(self) -> tuple[str, int]:
        """Host and port of its server, for a network that stands before it. Without a server this is a gap."""

    def through(self, port: int) -> Any:
        """The same place, its server reached at that port of 127.0.0.1, with timeouts of 1 second and few attempts.

        Usually one more Airflow connection with another port in it. Where a store has several endpoints, the one that
        files are sent to.
        """


class LocalRig:
    """A folder."""

    part_size = 1 << 20

    def __init__(self, folder: Path, _: pytest.MonkeyPatch) -> None:
        self._root, self._elsewhere = folder / "share", folder / "not" / "mounted"
        self._root.mkdir()
        self.destination = LocalDestination(path=str(self._root))

    def missing(self) -> Any:
        return LocalDestination(path=str(self._elsewhere))

    def read_only(self) -> Any:
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        self._root.chmod(0o500)
        return self.destination

    without_delete = read_only

    def signing(self) -> Any:
        return self.destination

    def without_login(self) -> Any:
        raise NotImplementedError

    def visible(self) -> dict[str, bytes]:
        files = [path for path in self._root.rglob("*") if path.is_file() and not path.name.endswith(".partial")]
        return {str(path.relative_to(self._root)): path.read_bytes() for path in files}

    def leftovers(self) -> list[str]:
        return [path.name for path in self._root.rglob("*.partial")]

    def place(self, path: str, content: bytes) -> None:
        (self._root / path).parent.mkdir(parents=True, exist_ok=True)
        (self._root / path).write_bytes(content)

    def interrupt(self, path: str) -> None:
        target = self._root / path
        self.place(str(target.with_name(f".{target.name}.partial")), b"half")

    def identity(self, path: str) -> object:
        stat = (self._root / path).stat()
        return stat.st_ino, stat.st_mtime_ns

    @contextmanager
    def breaking(self) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.part_size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def failing(self, how: str, times: int) -> None:
        raise NotImplementedError

    def requests(self) -> int:
        return 0

    def connections(self) -> int:
        return 0

    def address(self) -> tuple[str, int]:
        raise NotImplementedError

    def through(self, port: int) -> Any:
        raise NotImplementedError


RIGS: dict[str, Callable[[Path, pytest.MonkeyPatch], Rig]] = {
    "adls": AdlsRig,
    "blob": BlobRig,
    "dlz": DataLandingZoneRig,
    "gcs": GcsRig,
    "local": LocalRig,
    "s3": S3Rig,
    "sftp": SftpRig,
}

OTHERS: dict[str, Callable[[Path, pytest.MonkeyPatch], Rig]] = {
    "sftp openssh": OpenSshRig,
    "sftp without posix-rename": BluntRig,
}
"""Further servers that take the same tests, where they behave differently enough."""
