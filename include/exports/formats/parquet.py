"""Parquet, written by DuckDB."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from threading import Event, Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from include.exports.contract import refusals
from include.exports.engine import literal, with_room
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

ROW_GROUP_MB = 32
"""A row group of wide rows ends early: DuckDB holds all of it, more than once, until it is written."""


class ParquetFiles(Files):
    """Columnar files with a schema."""

    type: Literal["parquet"] = "parquet"
    compression: Literal["none", "snappy", "gzip", "zstd"] = "zstd"
    """Codec of the pages inside the file."""
    row_group_rows: int = Field(default=122_880, ge=2048)
    """Records of a row group, which is what a reader can skip or read alone; wide records make smaller ones."""

    @property
    def extension(self) -> str:
        """`.parquet`, `.snappy.parquet`, `.gz.parquet` or `.zstd.parquet`, as Spark names them."""
        return f"{PREFIXES[self.compression]}.parquet"


def problems(files: ParquetFiles, columns: Sequence[Column]) -> list[Problem]:  # noqa: ARG001  # the shape of a format
    """None: what the contract keeps, it keeps in Parquet."""
    return []


def write(files: ParquetFiles, con: duckdb.DuckDBPyConnection, query: str, path: Path, progress: Progress) -> Written:
    """The rows of `query`, in order, as one file at `path`; a file without rows has the schema alone.

    The columns are to be as `contract.staged` makes them. Raises `SourceRefused` for a value that one of those
    refuses; then nothing is left at `path`.
    """
    options = {
        "format": "parquet",
        "compression": literal("uncompressed" if files.compression == "none" else files.compression),
        "row_group_size": files.row_group_rows,
        "row_group_size_bytes": literal(f"{ROW_GROUP_MB}MB"),
    }
    settings = ", ".join(f"{name} {value}" for name, value in options.items())
    before = progress.bytes
    with refusals(), _watched(path, progress):
        copy = f"copy ({query}) to {literal(str(path))} ({settings})"
        ((rows,),) = with_room(con, lambda: con.execute(copy).fetchall())
    size = path.stat().st_size
    progress.advance(rows=rows, size=before + size - progress.bytes)
    sizes = f"select coalesce(sum(total_uncompressed_size), 0) from parquet_metadata({literal(str(path))})"
    ((uncompressed,),) = con.sql(sizes).fetchall()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Written(rows=rows, size=size, uncompressed=int(uncompressed), sha256=digest)


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
