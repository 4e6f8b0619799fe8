"""Writes the rows of a query as a file, and reads text back without what wrote it."""

from __future__ import annotations

import gzip
import json
import logging
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import zstandard

from include.exports import formats
from include.exports.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from include.exports.formats import Written
    from include.exports.formats.text import TextFiles

EVENTS = """
    select
        i as id,
        'user-' || (hash(i) % 1000) as user_id,
        make_timestamptz(1700000000000000 + i * 1000000) as ts,
        case when i % 3 = 0 then null else (hash(i + 1) % 1000) / 7.0 end as amount,
        ((hash(i + 2) % 100000) / 100)::decimal(12, 2) as price,
        {'city': 'city ' || (hash(i + 3) % 500), 'lat': (hash(i + 4) % 18000) / 100.0, 'tags': ['a', 'b,"']} as ctx,
        [hash(i + 5) % 100, null]::int[] as items
"""
"""Columns of nested events, as a query over a table `t(i)` of numbers."""


def events(rows: int) -> str:
    """A query of that many events; the same ones each time."""
    return f"{EVENTS} from range({rows}) t(i)"


def write(files: Any, con: duckdb.DuckDBPyConnection, query: str, path: Path) -> Written:
    """The rows of `query` at `path`, as a task would write them."""
    return formats.module(files).write(files, con, query, path, Progress(logging.getLogger(__name__), "wrote"))


def text(files: TextFiles, path: Path) -> str:
    """The text of a file, line ends untouched."""
    data = path.read_bytes()
    if files.compression == "gzip":
        data = gzip.decompress(data)
    elif files.compression == "zstd":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    elif files.compression == "zip":
        with ZipFile(path) as archive:
            data = b"".join(map(archive.read, archive.namelist()))
    return data.decode()


def records(files: TextFiles, path: Path, **options: Any) -> list[Any]:
    """The records of a JSON file, by a reader that takes nothing JSON does not have."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    lines = text(files, path).split("\n")
    assert lines.pop() == "", "every line ends in a line feed"
    return [json.loads(line, parse_constant=refuse, **options) for line in lines]
