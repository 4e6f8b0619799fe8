"""CSV files as in RFC 4180, in UTF-8 and with a header, as Arrow batches of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.exports.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    import pyarrow as pa

BLOCK = 4 << 20
"""Bytes read at a time. Arrow has two blocks in sight, and a record must not be longer."""


def parse(stream: BufferedIOBase, delimiter: str, known: set[str]) -> Iterator[pa.RecordBatch]:
    """The columns of the header, NULL where nothing stands between two delimiters, not even quotes.

    Raises `SourceRefused` for a header with names that are not `known`, and for quotes that are not balanced, which
    Arrow closes at the end of the file; `pyarrow.ArrowInvalid` for other text that is not CSV.
    """
    import pyarrow as pa

    try:
        yield from _parse(stream, delimiter, known)
    except pa.ArrowInvalid as error:
        if "straddl" not in str(error):
            raise
        limit = f"{BLOCK >> 20} MB"
        raise SourceRefused(f"a record is longer than {limit}, the most that is read; deliver it as Parquet") from error


def _parse(stream: BufferedIOBase, delimiter: str, known: set[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv

    counted = _Quotes(stream)
    reader = pyarrow.csv.open_csv(
        counted,
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(known, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    header = reader.schema.names
    if undeclared := [name for name in header if name not in known]:
        raise SourceRefused(
            f"its header has {undeclared[0]!r}, which source.types does not declare; declare it, and leave it out with"
            " columns.exclude where it is not wanted, or correct the header"
        )
    if twice := [name for name in header if header.count(name) > 1]:
        raise SourceRefused(f"its header has {twice[0]!r} twice; rename one of the two columns")
    yield from reader
    if counted.number % 2:
        raise SourceRefused('its quotes are not balanced; put quotes around a field that has a ", and double that "')


class _Quotes:
    """A stream that counts the quotes in it."""

    closed = False

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self.number = 0

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self.number += chunk.count(b'"')
        return chunk
