"""Parquet, written by DuckDB."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from threading import Event, Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from include.exports.contract import refusals
from include.exports.engine import THREADS, literal, with_room
from include.exports.formats import Files, Written
from include.exports.progress import EVERY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb

    from include.exports.errors import Problem
    from include.exports.progress import Progress
    from include.exports.sources import Column

PREFIXES: Mapping[str, str] = MappingProxyType({"none": "", "snappy": ".snappy", "gzip": ".gz", "zstd": ".zstd"})
"""What each compression adds to a file name, as Spark writes it: the codec is inside the file."""

ROW_GROUP_ROWS = 122_880
"""What DuckDB's own row groups have. Of these alone, several threads write the same ones every time."""

ROW_GROUP_MB = 32
"""A row group of wide rows ends early: DuckDB holds all of it, more than once, until it is written."""


class ParquetFiles(Files):
    """Columnar files with a schema."""

    type: Literal["parquet"] = "parquet"
    compression: Literal["none", "snappy", "gzip", "zstd"] = "zstd"
    """Codec of the pages inside the file."""
    row_group_rows: int = Field(default=ROW_GROUP_ROWS, ge=2048)
    """Records of a row group, which is what a reader can skip or read alone; wide records make smaller ones."""

    @property
    def extension(self) -> str:
        """`.parquet`, `.snappy.parquet`, `.gz.parquet` or `.zstd.parquet`, as Spark names them."""
        return f"{PREFIXES[self.compression]}.parquet"


def problems(files: ParquetFiles, columns: Sequence[Column]) -> list[Problem]:  # noqa: ARG001  # the shape of a format
    """None: what the contract keeps, it keeps in Parquet."""
    return []


def threads(row_bytes: float | None) -> int:
    """How many threads are to write rows of about so many uncompressed bytes, None where nobody knows.

    One where row groups must end early: of several, which rows are in one would depend on their timing. Else at least
    two, on any machine, for on one thread `write` ends row groups early; and no more than MEMORY_MB has row groups for.
    """
    if row_bytes is None or (megabytes := row_bytes * ROW_GROUP_ROWS / 1e6) > ROW_GROUP_MB:
        return 1
    return max(2, min(THREADS, int(2 * ROW_GROUP_MB / max(megabytes, 1))))


def write(files: ParquetFiles, con: duckdb.DuckDBPyConnection, query: str, path: Path, progress: Progress) -> Written:
    """The rows of `query`, in order, as one file at `path`; a file without rows has the schema alone.

    The columns are to be as `contract.staged` makes them. The bytes are the same on all connections with the threads
    that `threads` gives. Raises `SourceRefused` for a value that one of the columns refuses; then nothing is left at
    `path`.
    """
    if files.row_group_rows != ROW_GROUP_ROWS:
        con.execute("set threads = 1")  # several cut row groups of another size where their input happens to end
    before = progress.bytes
    with refusals(), _watched(path, progress):
        ((rows,),) = with_room(con, lambda: con.execute(_copy(files, con, query, path)).fetchall())
    size = path.stat().st_size
    progress.advance(rows=rows, size=before + size - progress.bytes)
    sizes = f"select coalesce(sum(total_uncompressed_size), 0) from parquet_metadata({literal(str(path))})"
    ((uncompressed,),) = con.sql(sizes).fetchall()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Written(rows=rows, size=size, uncompressed=int(uncompressed), sha256=digest)


def _copy(files: ParquetFiles, con: duckdb.DuckDBPyConnection, query: str, path: Path) -> str:
    options = {
        "format": "parquet",
        "compression": literal("uncompressed" if files.compression == "none" else files.compression),
        "row_group_size": files.row_group_rows,
    }
    if con.execute("select current_setting('threads')").fetchone() == (1,):
        options["row_group_size_bytes"] = literal(f"{ROW_GROUP_MB}MB")
    settings = ", ".join(f"{name} {value}" for name, value in options.items())
    return f"copy ({query}) to {literal(str(path))} ({settings})"


@contextmanager
def _watched(path: Path, progress: Progress) -> Iterator[None]:
    """Reports how the file grows while DuckDB writes it."""
    before, done = progress.bytes, Event()

    def watch() -> None:
        while not done.wait(EVERY_SECONDS):
            if path.exists():
                progress.advance(size=before + path.stat().st_size - progress.bytes)

    watcher = Thread(target=watch, name=f"watch {path.name}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
