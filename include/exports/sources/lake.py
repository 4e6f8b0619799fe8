"""Files of a data lake: Parquet, NDJSON or CSV under one folder, local or on any store Airflow can open.

Which files a run reads is listed once, when it is planned, and does not change until it ends. Rows come in the order
of the files' paths, and within a file as they lie. DuckDB reads Parquet itself, and text as Arrow has read it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from include.exports.engine import identifier, literal
from include.exports.errors import NotEligible, Problem, SourceInterrupted, SourceRefused
from include.exports.model import Part, Problems
from include.exports.paths import local_path
from include.exports.sources import Column, Request, Shard, Statement, hive, parquet_files, store, text_files
from include.exports.sources.hive import HivePartition
from include.exports.sources.stream import stream
from include.exports.time_column import TimeColumn, bound, instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    from fsspec import AbstractFileSystem

SUFFIXES = {
    "parquet": (".parquet",),
    "ndjson": (".ndjson", ".jsonl", ".json", ".ndjson.gz", ".jsonl.gz", ".json.gz"),
    "csv": (".csv", ".csv.gz"),
}
"""Which files of the folder belong to the dataset. Names that begin with `_` or `.` never do, as in Hive."""

FOOTERS = 100
"""How many Parquet files are asked for their number of rows when a run is planned."""

TEXT = "files"
"""The table that text files are read as."""


class LakeSource(Part):
    """A folder of files that are one dataset."""

    type: Literal["lake"] = "lake"
    path: str = Field(min_length=1)
    """The folder: a path (relative to the project's folder, or absolute), or an URL such as `s3://bucket/events`."""
    conn_id: str | None = None
    """Airflow connection that opens the URL; not for local paths."""
    format: Literal["parquet", "ndjson", "csv"] = "parquet"
    """What the files are. NDJSON and CSV are UTF-8 and may be gzipped; CSV has a header."""
    types: dict[str, str] = {}
    """Column to DuckDB type, such as `{"price": "DECIMAL(12,2)"}`, every column; required for NDJSON and CSV, which do
    not say their types themselves. NDJSON also has `VARCHAR[]` and `STRUCT(id BIGINT)`. A value that is not exactly of
    its type, and a column that is not declared, are refused; one that a file does not have is NULL."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Between two fields of a CSV line."""
    time_column: TimeColumn | None = None
    """When a record happened; required by incremental exports."""
    partition: HivePartition | None = None
    """Folders by time, of which only those that the window touches are read."""
    shard_bytes: int = Field(default=4_000_000_000, ge=1)
    """A run that reads more bytes than this is split into shards of about this size, at file borders."""

    @model_validator(mode="after")
    def _typed(self) -> Self:
        """Types of text files would have to be guessed from some of their lines."""
        if self.format == "parquet" and self.types:
            raise ValueError("types cannot be declared for Parquet, whose files have them; use columns.cast")
        if self.format != "parquet" and not self.types:
            raise ValueError(f"types is required for {self.format}: declare every column, such as {{'id': 'BIGINT'}}")
        if self.conn_id and "://" not in self.path:
            raise ValueError(f"conn_id {self.conn_id!r} has no meaning for the local path {self.path!r}; remove it")
        if self.partition and not self.time_column:
            raise ValueError("partition needs a time_column: folders only narrow down which files can hold a window")
        problems = [
            Problem(f"types.{column}", problem)
            for column, name in self.types.items()
            if (problem := text_files.type_problem(self.format, name))
        ]
        if problems:
            raise Problems(problems)
        return self


def describe(source: LakeSource, request: Request) -> tuple[Column, ...]:
    """The columns of the files of the window, or of the last file when it has none.

    Folder levels `name=value` are text columns. Raises `NotEligible` when the folder does not exist or is empty, and
    when files disagree about the type of a column.
    """
    import duckdb

    fs = store.open_store(source.path, source.conn_id)
    files = [file for file, _ in _files(source, fs, request)] or _last_file(source, fs)
    with _errors(source):
        if source.format == "parquet":
            with store.connected(fs) as con:
                return parquet_files.columns(con, files)
        types = source.types | {name: source.types.get(name, "VARCHAR") for name in _levels(files)}
        return tuple(Column(name=name, type=duckdb.sqltype(type_)) for name, type_ in types.items())


def newest(source: LakeSource, request: Request) -> datetime | None:
    """The largest value of the time column among the files of the window, from Parquet's statistics where they have
    it; without a time column, and of text, when the newest file was written. None when there is no file."""
    fs = store.open_store(source.path, source.conn_id)
    files = [file for file, _ in _files(source, fs, request)]
    if not files:
        return None
    if source.time_column is None or source.format != "parquet":
        written: list[datetime] = [fs.modified(file) for file in files]
        return max(moment.astimezone(UTC) for moment in written)
    with _errors(source), store.connected(fs) as con:
        value = parquet_files.largest(con, files, source.time_column.name)
    return None if value is None else instant(value, source.time_column)


def shards(source: LakeSource, request: Request) -> tuple[Shard, ...]:
    """The files of the window, in the order of their paths, in groups of about `shard_bytes`; an order needs one.

    Their rows are counted where that is cheap: all rows of the files, whether or not the window has them.
    """
    fs = store.open_store(source.path, source.conn_id)
    groups: list[tuple[list[str], int]] = [([], 0)]
    found = _files(source, fs, request)
    for file, size in found:
        files, total = groups[-1]
        if files and total + size > source.shard_bytes and not request.order_by:
            groups.append(([file], size))
        else:
            groups[-1] = ([*files, file], total + size)
    countable = source.format == "parquet" and len(found) <= FOOTERS
    with _errors(source), store.connected(fs) as con:
        counted = [parquet_files.count(con, files) if countable and files else (None, None) for files, _ in groups]
    return tuple(
        Shard(index=index, files=tuple(files), size=size, rows=rows, row_bytes=row_bytes)
        for index, ((files, size), (rows, row_bytes)) in enumerate(zip(groups, counted, strict=True))
    )


def statement(source: LakeSource, request: Request, shard: Shard) -> Statement:
    """The query that DuckDB runs over the shard's files."""
    present = request.columns or ()
    if source.format == "parquet":
        return Statement(sql=_query(source, request, parquet_files.scan(shard.files), present))
    return Statement(sql=_query(source, request, TEXT, present), parameters={TEXT: list(shard.files)})


@contextmanager
def records(source: LakeSource, request: Request, shard: Shard, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The query over the shard's files. A column that none of them has is NULL: the dataset gained it elsewhere."""
    fs = store.open_store(source.path, source.conn_id)
    with _errors(source):
        if source.format != "parquet":
            columns = _needed(source, request, shard)
            delimiter = source.delimiter if source.format == "csv" else None
            read = partial(text_files.batches, fs, shard.files, columns, source.types, delimiter)
            with stream(con, TEXT, text_files.schema(columns, source.types), read):
                yield _query(source, request, TEXT, columns)
        elif shard.files:
            store.register(fs, con)
            scan = parquet_files.scan(shard.files)
            yield _query(source, request, scan, con.sql(f"select * from {scan}").columns)
        else:
            yield f"select {_select(request, ())} where false"


def _query(source: LakeSource, request: Request, relation: str, present: Sequence[str]) -> str:
    """The statement over a relation that has the columns `present`."""
    sql = f"select {_select(request, present)}\nfrom {relation}"
    if conditions := [*_window(source.time_column, request), *([f"({request.filter})"] if request.filter else [])]:
        sql += "\nwhere " + "\n  and ".join(conditions)
    if request.order_by:
        # Equal rows stay as they lie: DuckDB's sort would give them in another order each time.
        sql += "\norder by " + ", ".join([*map(_order, request.order_by), "row_number() over ()"])
    return sql


def _select(request: Request, present: Sequence[str]) -> str:
    """The requested columns. Files may spell a name in another case, which to DuckDB is the same name."""
    folded = {name.casefold() for name in present}

    def column(name: str) -> str:
        if name in present:
            return identifier(name)
        return f"{identifier(name) if name.casefold() in folded else 'null'} as {identifier(name)}"

    return ", ".join(map(column, request.columns or ()))


def _window(time_column: TimeColumn | None, request: Request) -> list[str]:
    if time_column is None:
        return []
    return [
        f"{identifier(time_column.name)} {comparison} {_constant(bound(instant, time_column))}"
        for comparison, instant in ((">=", request.start), ("<", request.end))
        if instant is not None
    ]


def _constant(value: Any) -> str:
    if isinstance(value, datetime):
        kind = "timestamptz" if value.tzinfo else "timestamp"
        return f"{kind} {literal(value.isoformat(sep=' '))}"
    if isinstance(value, int):
        return str(value)
    return literal(value) if isinstance(value, str) else f"date {literal(value.isoformat())}"


def _order(term: str) -> str:
    name = term.removesuffix(" desc")
    return identifier(name) + (" desc" if name != term else "") + " nulls last"


def _needed(source: LakeSource, request: Request, shard: Shard) -> list[str]:
    """The columns to be read from text. Which of them a filter uses is not known before DuckDB has parsed it."""
    names = [*(request.columns or ()), *(term.removesuffix(" desc") for term in request.order_by)]
    if source.time_column:
        names.append(source.time_column.name)
    if request.filter:
        names += [*source.types, *_levels(shard.files)]
    return list(dict.fromkeys(names))


def _levels(files: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name for file in files for name in text_files.levels(file)))


def _files(source: LakeSource, fs: AbstractFileSystem, request: Request) -> list[tuple[str, int]]:
    """Path and size of every file that can hold a record of the window, ordered by path."""
    return sorted(_walk(source, fs, request))


def _last_file(source: LakeSource, fs: AbstractFileSystem) -> list[str]:
    for file, _ in _walk(source, fs, Request(), last_first=True):
        return [file]
    suffixes = ", ".join(SUFFIXES[source.format])
    raise NotEligible(f"{source.path} holds no {source.format} files ({suffixes}); check the path")


def _walk(
    source: LakeSource, fs: AbstractFileSystem, request: Request, *, last_first: bool = False
) -> Iterator[tuple[str, int]]:
    root = source.path if "://" in source.path else str(local_path(source.path))
    fs.invalidate_cache()  # a listing that is remembered would hide new files
    folders = hive.Folders(
        fs=fs,
        suffixes=SUFFIXES[source.format],
        partition=source.partition,
        start=request.start,
        end=request.end,
        last_first=last_first,
    )
    for path, size in folders.files(root):
        yield store.address(fs, path), size


@contextmanager
def _errors(source: LakeSource) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.IOException as error:
        raise SourceInterrupted(
            f"{source.path}: {_first_line(error)}; the task is tried again; when a file is gone for good, run the"
            " window again from its start"
        ) from error
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
        raise NotEligible(
            f"{source.path}: the query cannot run: {_first_line(error)}; check filter and columns"
        ) from error
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        if str(error).startswith("Traceback"):  # of a file system that is not DuckDB's own
            raise SourceInterrupted(f"{source.path}: {str(error).splitlines()[-1]}; the task is tried again") from error
        raise SourceRefused(f"{source.path}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """What DuckDB says, without the class of the error and without its advice on settings that are not ours."""
    return re.sub("^[A-Z][A-Za-z ]* Error: ", "", str(error).splitlines()[0])
