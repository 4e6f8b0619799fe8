"""Text on its way into a file: compressed in threads, counted and hashed, and always the same bytes."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

Compression = Literal["none", "gzip", "zstd"]

SUFFIXES: Mapping[Compression, str] = MappingProxyType({"none": "", "gzip": ".gz", "zstd": ".zst"})
"""What each compression adds to a file name."""

BLOCK = 1 << 20
"""Bytes of text that are compressed together. Cutting elsewhere gives other bytes, so it must not depend on threads."""

GZIP_LEVEL = 1
"""Of igzip: many times faster than zlib at its fastest, and smaller."""
ZSTD_LEVEL = 3
"""The default of zstd."""


class _Writes(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Compressed:
    """A file being written. The numbers are final when the `compress` that opened it has ended."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash = file, sha256()
        self.size = 0
        """Bytes of the file."""
        self.uncompressed = 0
        """Bytes of the text."""

    @property
    def sha256(self) -> str:
        """Hex digest of the file."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        """Take bytes of the file, from the compressor."""
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


@contextmanager
def compress(
    path: Path, compression: Compression, threads: int
) -> Iterator[tuple[Callable[[memoryview], None], Compressed]]:
    """Opens the file at `path` and gives a function that takes its text, piece by piece, and the file's numbers.

    The file is complete when the block ends; when it raises, nothing is left at `path`. One gzip member or zstd frame,
    whose bytes depend on the text alone: not on `threads`, on the pieces, on the clock or on the file's name.
    """
    try:
        with path.open("wb") as file:
            compressed, pending = Compressed(file), bytearray()
            with _compressor(compressed, compression, threads) as compressor:

                def write(text: memoryview) -> None:
                    compressed.uncompressed += len(text)
                    while text:
                        piece, text = text[: BLOCK - len(pending)], text[BLOCK - len(pending) :]
                        pending.extend(piece)
                        if len(pending) == BLOCK:
                            compressor.write(bytes(pending))
                            pending.clear()

                yield write, compressed
                compressor.write(bytes(pending))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _compressor(file: Compressed, compression: Compression, threads: int) -> AbstractContextManager[_Writes]:
    match compression:
        case "none":
            return nullcontext(file)
        case "gzip":
            from isal import igzip_threaded

            return igzip_threaded.open(file, "wb", GZIP_LEVEL, threads=threads, block_size=BLOCK)  # type: ignore[no-any-return, no-untyped-call]
        case "zstd":
            from zstandard import ZstdCompressor

            # No threads at all would be another algorithm, with other bytes.
            settings = ZstdCompressor(level=ZSTD_LEVEL, threads=threads, write_checksum=True)
            return settings.stream_writer(cast("BinaryIO", file), closefd=False)
