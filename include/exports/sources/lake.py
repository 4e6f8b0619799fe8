"""Files of a data lake: Parquet, NDJSON or CSV under one folder, local or on any store Airflow can open.

Which files a run reads is listed once, when it is planned, and does not change until it ends. Rows come in the order
of the files' paths, and within a file as they lie.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from include.exports.engine import connect, identifier, literal
from include.exports.errors import NotEligible, SourceInterrupted, SourceRefused
from include.exports.model import Part
from include.exports.paths import TimeZone, local_path
from include.exports.sources import Column, Request, Shard, Statement
from include.exports.time_column import TimeColumn, bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    from fsspec import AbstractFileSystem

SUFFIXES = {
    "parquet": (".parquet",),
    "ndjson": (".ndjson", ".jsonl", ".json", ".ndjson.gz", ".jsonl.gz", ".json.gz"),
    "csv": (".csv", ".csv.gz"),
}
"""Which files of the folder belong to the dataset. Names that begin with `_` or `.` never do, as in Hive."""

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class HivePartition(Part):
    """A level of folders named `column=time`, from which a run takes only those its window touches."""

    column: str = Field(min_length=1)
    """The name before the `=`."""
    format: str = "%Y-%m-%d"
    """strftime format of the value after the `=`; its finest unit is how much time one folder holds."""
    timezone: TimeZone = "UTC"
    """IANA time zone in which the folders are named."""

    @model_validator(mode="after")
    def _has_year(self) -> Self:
        if "%Y" not in self.format:
            raise ValueError(f"format {self.format!r} has no year; write one such as '%Y-%m-%d' or '%Y-%m-%d-%H'")
        return self

    def span(self, value: str) -> tuple[datetime, datetime]:
        """The time that the folder `column=value` holds, half-open, in UTC. Raises ValueError for another value."""
        begin = datetime.strptime(value, self.format)  # noqa: DTZ007  # the zone is declared beside the format
        if "%H" in self.format:
            after = begin + timedelta(hours=1)
        elif "%d" in self.format or "%j" in self.format:
            after = begin + timedelta(days=1)
        elif "%m" in self.format:
            after = (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            after = begin.replace(year=begin.year + 1)
        zone = ZoneInfo(self.timezone)
        # An hour that a clock change repeats lies in one folder: it ends when the second one ends.
        return begin.replace(tzinfo=zone).astimezone(UTC), after.replace(tzinfo=zone, fold=1).astimezone(UTC)


class LakeSource(Part):
    """A folder of files that are one dataset."""

    type: Literal["lake"] = "lake"
    path: str = Field(min_length=1)
    """The folder: a path (relative to the project's folder, or absolute), or an URL such as `s3://bucket/events`."""
    conn_id: str | None = None
    """Airflow connection that opens the URL; not for local paths."""
    format: Literal["parquet", "ndjson", "csv"] = "parquet"
    """What the files are. NDJSON and CSV may be gzipped."""
    types: dict[str, str] = {}
    """Column to DuckDB type, every column; required for NDJSON and CSV, which do not say their types themselves."""
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
        return self


def describe(source: LakeSource, request: Request) -> tuple[Column, ...]:
    """The columns of the files of the window, or of the last file when it has none.

    Folder levels `name=value` are text columns. Raises `NotEligible` when the folder does not exist or is empty.
    """
    con = connect()
    fs = _open(source, con)
    files = [file for file, _ in _list(source, fs, request)] or [file for file, _ in _list(source, fs, Request())][-1:]
    if not files:
        raise NotEligible(
            f"{source.path} holds no {source.format} files ({', '.join(SUFFIXES[source.format])}); check the path"
        )
    with _errors(source):
        relation = con.sql(f"select * from {_scan(source, tuple(files))}")
        return tuple(
            Column(name=name, type=type_) for name, type_ in zip(relation.columns, relation.types, strict=True)
        )


def shards(source: LakeSource, request: Request) -> tuple[Shard, ...]:
    """The files of the window, in the order of their paths, in groups of about `shard_bytes`; an order needs one."""
    con = connect()
    groups: list[tuple[list[str], int]] = [([], 0)]
    for file, size in _list(source, _open(source, con), request):
        files, total = groups[-1]
        if files and total + size > source.shard_bytes and not request.order_by:
            groups.append(([file], size))
        else:
            groups[-1] = ([*files, file], total + size)
    return tuple(Shard(index=index, files=tuple(files), size=size) for index, (files, size) in enumerate(groups))


def statement(source: LakeSource, request: Request, shard: Shard) -> Statement:
    """The query that DuckDB runs over the shard's files."""
    return Statement(sql=_query(source, request, shard, list(request.columns or ())))


@contextmanager
def records(source: LakeSource, request: Request, shard: Shard, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The query over the shard's files. A column that none of them has is NULL: the dataset gained it elsewhere."""
    _open(source, con)
    with _errors(source):
        if not shard.files:
            nothing = ", ".join(f"null as {identifier(name)}" for name in request.columns or ())
            yield f"select {nothing} where false"
            return
        present = con.sql(f"select * from {_scan(source, shard.files)}").columns
        yield _query(source, request, shard, present)


def _query(source: LakeSource, request: Request, shard: Shard, present: list[str]) -> str:
    wanted = ", ".join(
        identifier(name) if name in present else f"null as {identifier(name)}" for name in request.columns or ()
    )
    sql = f"select {wanted}\nfrom {_scan(source, shard.files)}"
    if conditions := [*_window(source.time_column, request), *([f"({request.filter})"] if request.filter else [])]:
        sql += "\nwhere " + "\n  and ".join(conditions)
    if request.order_by:
        sql += "\norder by " + ", ".join(_order(term) for term in request.order_by)
    return sql


def _scan(source: LakeSource, files: tuple[str, ...]) -> str:
    listed = "[" + ", ".join(literal(file) for file in files) + "]"
    hive = "hive_partitioning=true, hive_types_autocast=false"
    columns = "{" + ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in source.types.items()) + "}"
    match source.format:
        case "parquet":
            return f"read_parquet({listed}, union_by_name=true, {hive})"
        case "ndjson":
            return f"read_json({listed}, format='newline_delimited', columns={columns}, {hive})"
        case "csv":
            return (
                f"read_csv({listed}, header=true, auto_detect=false, delim={literal(source.delimiter)}, quote='\"',"
                f" escape='\"', allow_quoted_nulls=false, columns={columns}, {hive})"
            )


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
    return literal(str(value)) if isinstance(value, str) else f"date {literal(value.isoformat())}"


def _order(term: str) -> str:
    name = re.sub(r" desc$", "", term)
    return identifier(name) + (" desc" if name != term else "") + " nulls last"


def _open(source: LakeSource, con: duckdb.DuckDBPyConnection) -> AbstractFileSystem:
    """The file system of the lake. One that is not local is made known to DuckDB, which reads through it."""
    if "://" not in source.path:
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem()
    from airflow.sdk import ObjectStoragePath

    fs: AbstractFileSystem = ObjectStoragePath(source.path, conn_id=source.conn_id).fs
    con.register_filesystem(fs)
    return fs


def _list(source: LakeSource, fs: AbstractFileSystem, request: Request) -> Iterator[tuple[str, int]]:
    """Path and size of every file that can hold a record of the window, ordered by path."""
    root = source.path if "://" in source.path else str(local_path(source.path))

    def walk(folder: str) -> Iterator[tuple[str, int]]:
        for item in sorted(fs.ls(folder, detail=True), key=lambda item: str(item["name"])):
            name = item["name"].rstrip("/").rpartition("/")[2]
            if name.startswith(("_", ".")):
                continue
            if item["type"] == "directory":
                if _touches(source.partition, name, request, folder):
                    yield from walk(item["name"])
            elif name.endswith(SUFFIXES[source.format]):
                yield fs.unstrip_protocol(item["name"]) if "://" in source.path else item["name"], item["size"]

    try:
        yield from walk(root)
    except FileNotFoundError:
        raise NotEligible(f"{root} does not exist; check source.path, and that it is mounted on the worker") from None


def _touches(partition: HivePartition | None, name: str, request: Request, folder: str) -> bool:
    if partition is None or not name.startswith(f"{partition.column}=") or (not request.start and not request.end):
        return True
    value = name.partition("=")[2]
    if value == HIVE_NULL:
        return False
    try:
        begin, end = partition.span(value)
    except ValueError:
        raise SourceRefused(
            f"{folder}/{name}: {value!r} does not match the partition format {partition.format!r}; correct the format,"
            " or move the folder out of the dataset"
        ) from None
    return (request.end is None or begin < request.end) and (request.start is None or end > request.start)


@contextmanager
def _errors(source: LakeSource) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.IOException as error:
        raise SourceInterrupted(f"{source.path}: {_first_line(error)}") from error
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
        raise NotEligible(
            f"{source.path}: the query cannot run: {_first_line(error)}; check filter and columns"
        ) from error
    except duckdb.Error as error:
        raise SourceRefused(f"{source.path}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
