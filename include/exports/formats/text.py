"""What JSON and CSV files have in common: rows that the query itself already turned into lines of text."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from include.exports.compress import SUFFIXES, Compression, compress
from include.exports.contract import NonFinite, refusals
from include.exports.engine import with_room
from include.exports.formats import Files, Written
from include.exports.sources import Column

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    from pyarrow import Array

    from include.exports.progress import Progress

BATCH_ROWS = 8192
"""Rows that Python handles at once, few enough that a batch stays small when rows grow wider after the first ones."""
BATCH_BYTES = 8 << 20
"""Text that Python handles at once, about, where the first rows are wide."""
PROBE_ROWS = 64
"""Rows whose text is measured to learn whether rows are wide."""


class TextFiles(Files):
    """Files of lines."""

    compression: Compression = "gzip"
    """`none`, `gzip` or `zstd`, of the whole file: one gzip member, or one zstd frame."""
    non_finite: NonFinite = "null"
    """NaN and infinities, of numbers and of dates, which JSON does not have: `null`, the `string` NaN, Infinity or
    -Infinity, or `fail`. CSV does the same, with its null marker."""

    @property
    def suffix(self) -> str:
        """What the compression adds to the extension."""
        return SUFFIXES[self.compression]


def columns(con: duckdb.DuckDBPyConnection, query: str) -> list[Column]:
    """The columns of a query. Nothing is read."""
    relation = con.sql(query)
    return [Column(name=name, type=type_) for name, type_ in zip(relation.columns, relation.types, strict=True)]


def write_lines(
    con: duckdb.DuckDBPyConnection,
    lines: str,
    path: Path,
    progress: Progress,
    *,
    compression: Compression,
    header: str = "",
) -> Written:
    """Write the one text column of the query `lines`, whose values end in line breaks, as the file at `path`.

    The rows of a batch lie in one buffer, end to end, which is the file's text as it is: no row becomes an object.
    The beginning of the query is read twice, to see how wide rows are. Raises `SourceRefused` for a value that the
    query refuses; then nothing is left at `path`.
    """
    with refusals():
        return with_room(con, lambda: _write(con, lines, path, progress, compression=compression, header=header))


def _write(
    con: duckdb.DuckDBPyConnection, lines: str, path: Path, progress: Progress, *, compression: Compression, header: str
) -> Written:
    rows = said = 0
    (threads,) = con.sql("select current_setting('threads')").fetchall()[0]
    try:
        with compress(path, compression, threads) as file:
            file.write(memoryview(header.encode()))
            for batch in con.sql(lines).to_arrow_reader(_batch_rows(con, lines)):
                file.write(_text(batch.column(0)))
                size = file.size  # other threads move it on
                progress.advance(rows=len(batch), size=size - said)
                rows, said = rows + len(batch), size
    except BaseException:
        progress.advance(rows=-rows, size=-said)
        raise
    progress.advance(size=file.size - said)
    return Written(rows=rows, size=file.size, uncompressed=file.uncompressed, sha256=file.sha256)


def _batch_rows(con: duckdb.DuckDBPyConnection, lines: str) -> int:
    # Row by row: a LIMIT would have DuckDB make the text of all these rows at once.
    with con.sql(lines).to_arrow_reader(1) as reader:
        widest = max((batch.nbytes for batch in islice(reader, PROBE_ROWS)), default=1)
    return int(max(1, min(BATCH_ROWS, BATCH_BYTES // widest)))


def _text(lines: Array) -> memoryview:
    """The characters of an Arrow column of large strings, without copying them."""
    _, offsets, characters = lines.buffers()
    ends = memoryview(offsets).cast("q")
    return memoryview(characters)[ends[lines.offset] : ends[lines.offset + len(lines)]]
