"""What JSON and CSV files have in common: rows that the query itself already turned into lines of text."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from include.exports.compress import SUFFIXES, Compression, compress
from include.exports.contract import NonFinite, refusals
from include.exports.engine import with_room
from include.exports.errors import Problem
from include.exports.formats import Files, Written
from include.exports.model import Problems
from include.exports.sources import Column

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb
    from pyarrow import Array, RecordBatch

    from include.exports.progress import Progress

BATCH_ROWS = 8192
"""Rows that Python handles at once, few enough that a batch stays small when rows grow wider after the first ones."""
BATCH_BYTES = 8 << 20
"""Text that Python handles at once, about, where the first rows are wide."""
PROBE_ROWS = 64
"""Rows whose text is measured to learn whether rows are wide."""


class TextFiles(Files):
    """Files of lines."""

    type: str
    compression: Compression = "gzip"
    """`none`, `gzip` or `zstd`, of the whole file: one gzip member, or one zstd frame. `zip` is an archive, which every
    desktop opens."""
    member_rows: int | None = Field(default=None, gt=0)
    """At most this many records in a file of a `zip` archive, each with its header; all in one when absent."""
    non_finite: NonFinite = "null"
    """NaN and infinities, of numbers and of dates, which JSON does not have: `null`, the `string` NaN, Infinity or
    -Infinity, or `fail`. CSV does the same, with its null marker."""

    @model_validator(mode="after")
    def _members(self) -> Self:
        """Other files have no members, and would silently be as long as they come."""
        if self.member_rows and self.compression != "zip":
            raise Problems([Problem("member_rows", "is of 'zip' archives; remove it, or write max_rows")])
        return self

    @property
    def suffix(self) -> str:
        """What the compression adds to the extension."""
        return SUFFIXES[self.compression]


def columns(con: duckdb.DuckDBPyConnection, query: str) -> list[Column]:
    """The columns of a query. Nothing is read."""
    relation = con.sql(query)
    return [Column(name=name, type=type_) for name, type_ in zip(relation.columns, relation.types, strict=True)]


def write_lines(
    files: TextFiles, con: duckdb.DuckDBPyConnection, lines: str, path: Path, progress: Progress, *, header: str = ""
) -> Written:
    """Write the one text column of the query `lines`, whose values end in line breaks, as the file at `path`.

    The rows of a batch lie in one buffer, end to end, which is the file's text as it is: no row becomes an object.
    The beginning of the query is read twice, to see how wide rows are. Raises `SourceRefused` for a value that the
    query refuses; then nothing is left at `path`.
    """
    with refusals():
        return with_room(con, lambda: _write(files, con, lines, path, progress, header=header))


def _write(
    files: TextFiles, con: duckdb.DuckDBPyConnection, lines: str, path: Path, progress: Progress, *, header: str
) -> Written:
    rows = said = 0
    (threads,) = con.sql("select current_setting('threads')").fetchall()[0]
    member, large = f".{files.type}", files.member_rows is None
    try:
        with compress(path, files.compression, threads, member=member, large=large) as file:
            file.write(memoryview(header.encode()))
            for batch in con.sql(lines).to_arrow_reader(_batch_rows(con, lines)):
                for piece in _pieces(batch, rows, files.member_rows):
                    if files.member_rows and rows and rows % files.member_rows == 0:
                        file.begin_member()
                        file.write(memoryview(header.encode()))
                    file.write(_text(piece.column(0)))
                    size = file.size  # other threads move it on
                    progress.advance(rows=len(piece), size=size - said)
                    rows, said = rows + len(piece), size
    except BaseException:
        progress.advance(rows=-rows, size=-said)
        raise
    progress.advance(size=file.size - said)
    return Written(rows=rows, size=file.size, uncompressed=file.uncompressed, sha256=file.sha256)


def _pieces(batch: RecordBatch, before: int, member_rows: int | None) -> Iterator[RecordBatch]:
    """The batch, cut where a member ends; `before` rows came before it."""
    done = 0
    while done < len(batch):
        room = len(batch) if member_rows is None else member_rows - (before + done) % member_rows
        yield batch.slice(done, room)
        done += room


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
