"""Text on its way into a file: compressed in threads, counted and hashed, and always the same bytes."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Literal, Protocol, Self, cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

Compression = Literal["none", "gzip", "zip", "zstd"]

SUFFIXES: Mapping[Compression, str] = MappingProxyType({"none": "", "gzip": ".gz", "zip": ".zip", "zstd": ".zst"})
"""What each compression adds to a file name."""

BLOCK = 1 << 20
"""Bytes of text that are compressed together. Cutting elsewhere gives other bytes, so it must not depend on threads."""

GZIP_LEVEL = 1
"""Of igzip: many times faster than zlib at its fastest, and smaller."""
ZSTD_LEVEL = 3
"""The default of zstd."""
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""When members were changed, as the archive says: the first moment that the format knows."""


class _Writes(Protocol):
    def write(self, data: bytearray, /) -> object: ...


class _Counted:
    """A file that is counted and hashed as it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.hash, self.size = file, sha256(), 0

    def write(self, data: bytes | bytearray) -> int:
        self.hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


class CompressedFile:
    """A file that takes text. Its numbers are final when the `compress` that opened it has ended."""

    def __init__(self, file: _Counted, compressor: _Writes) -> None:
        self._file, self._compressor, self._pending = file, compressor, bytearray()
        self.uncompressed = 0
        """Bytes of the text."""

    def write(self, text: memoryview) -> None:
        """Append text, cut into blocks: the compressor gets the same ones however the text comes."""
        self.uncompressed += len(text)
        while text:
            room = BLOCK - len(self._pending)
            self._pending.extend(text[:room])
            text = text[room:]
            if len(self._pending) == BLOCK:
                self.end_block()

    def end_block(self) -> None:
        """Hand what has come since the last block to the compressor."""
        self._compressor.write(self._pending)
        self._pending.clear()

    def begin_member(self) -> None:
        """What comes is of the next member of the archive. The first one begins by itself."""
        if not isinstance(self._compressor, _Archive):
            raise TypeError("only an archive has members")
        self.end_block()
        self._compressor.begin_member()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._file.size

    @property
    def sha256(self) -> str:
        """Hex digest of the file."""
        return self._file.hash.hexdigest()


class _Archive:
    """A ZIP file whose members are written one after another."""

    def __init__(self, file: _Counted, extension: str, *, large: bool) -> None:
        self._zip = ZipFile(cast("BinaryIO", file), "w", ZIP_DEFLATED)
        self._extension, self._large, self._number = extension, large, 0
        self._member = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._member.close()
        self._zip.close()

    def begin_member(self) -> None:
        self._member.close()
        self._number += 1
        self._member = self._open()

    def _open(self) -> IO[bytes]:
        info = ZipInfo(f"part-{self._number:05d}{self._extension}", ZIP_TIME)
        info.compress_type = ZIP_DEFLATED
        info.create_system, info.external_attr = 3, 0o644 << 16  # else they are those of the machine
        return self._zip.open(info, "w", force_zip64=self._large)

    def write(self, data: bytearray, /) -> None:
        self._member.write(data)


@contextmanager
def compress(
    path: Path, compression: Compression, threads: int, *, member: str = "", large: bool = True
) -> Iterator[CompressedFile]:
    """A new file at `path`, complete when the block ends; when it raises, nothing is left there.

    One gzip member or zstd frame, or a ZIP archive, whose bytes depend on the text alone: not on `threads`, on how the
    text is cut into writes, on the clock or on the file's name. The names of an archive's members end with `member`;
    those of one that is not `large` have less than 2 GiB each, and every old reader takes them.
    """
    try:
        with path.open("wb") as file:
            counted = _Counted(file)
            with _compressor(counted, compression, threads, member, large=large) as compressor:
                compressed = CompressedFile(counted, compressor)
                yield compressed
                compressed.end_block()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _compressor(
    file: _Counted, compression: Compression, threads: int, member: str, *, large: bool
) -> AbstractContextManager[_Writes]:
    match compression:
        case "none":
            return nullcontext(file)
        case "gzip":
            from isal import igzip_threaded

            return igzip_threaded.open(file, "wb", GZIP_LEVEL, threads=threads, block_size=BLOCK)  # type: ignore[no-any-return, no-untyped-call]
        case "zip":
            return _Archive(file, member, large=large)
        case "zstd":
            from zstandard import ZstdCompressor

            # No threads at all would be another algorithm, with other bytes.
            settings = ZstdCompressor(level=ZSTD_LEVEL, threads=threads, write_checksum=True)
            return settings.stream_writer(cast("BinaryIO", file), closefd=False)
