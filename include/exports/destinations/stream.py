"""What a store's client downloads, as Python's own kind of stream, whose errors are this project's."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

MIB = 1 << 20


def opened(
    read: Callable[[int], bytes], errors: Callable[[], AbstractContextManager[None]], close: Callable[[], object] = int
) -> IO[bytes]:
    """A download, read piece by piece by `read(size)`, each within `errors()`. `close` ends it."""
    return cast("IO[bytes]", io.BufferedReader(_Download(read, errors, close), MIB))


class _Download(io.RawIOBase):
    def __init__(
        self,
        read: Callable[[int], bytes],
        errors: Callable[[], AbstractContextManager[None]],
        close: Callable[[], object],
    ) -> None:
        self._read, self._errors, self._close = read, errors, close

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._errors():
            content = self._read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._close()
        super().close()
