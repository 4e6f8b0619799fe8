"""The DuckDB that reads, transforms and writes records: in memory, bounded, and the same on every machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

T = TypeVar("T")

MEMORY_MB = 300
"""What DuckDB may hold before it spills to disk. The process adds Python, Arrow batches and compression buffers."""

THREADS = min(4, os.cpu_count() or 1)
"""More threads write the same bytes, but each holds a row group in memory."""


def connect(threads: int = THREADS, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A new in-memory database, which keeps what does not fit its memory in the folder `spill`.

    Time zone UTC, no extension is ever downloaded, rows keep the order of the query, Arrow buffers may pass 2 GiB, and
    a name in a query is a table or an error, never a variable of Python's.
    """
    import duckdb

    con = duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": f"{MEMORY_MB}MB",
            "preserve_insertion_order": True,
            "arrow_large_buffer_size": True,
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,
            "temp_directory": str(spill or ""),
            "TimeZone": "UTC",
        },
    )
    # How much of a result is made before it is asked for. With the default of 1 MB, a look at the first rows makes
    # thousands of them; to read all of them, less is not slower.
    con.execute("set max_streaming_buffer_size = '100KB'")
    return con


def with_room(con: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """What `work` returns, with as much memory as it needs.

    DuckDB handles 2,048 rows at a time and cannot spill those. Where they do not fit MEMORY_MB, because a cell has many
    kilobytes, `work` is run again on one thread with the machine's memory, and `con` stays so for what follows.
    """
    import duckdb

    try:
        return work()
    except (duckdb.OutOfMemoryException, OSError) as error:  # an Arrow stream of DuckDB's raises OSError
        if "Out of Memory Error" not in str(error):
            raise
        con.execute("set threads = 1")
        con.execute("reset memory_limit")
        return work()


def identifier(name: str) -> str:
    """`name` quoted as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` quoted as a DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"
