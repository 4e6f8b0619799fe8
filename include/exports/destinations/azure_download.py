"""What Azure's clients download, as Python's own kind of stream."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

MIB = 1 << 20


def opened(download: Any, errors: Callable[[], AbstractContextManager[None]]) -> IO[bytes]:
    """A download, read piece by piece, each within `errors()`. When what is read is replaced meanwhile, reading on is
    refused."""
    return cast("IO[bytes]", io.BufferedReader(_Download(download, errors), MIB))


class _Download(io.RawIOBase):
    def __init__(self, download: Any, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._download, self._errors = download, errors

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._errors():
            content = self._download.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
