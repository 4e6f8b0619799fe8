"""NDJSON and CSV files as Arrow batches of declared types: every value fits its type exactly, or the file is refused.

DuckDB's own readers convert as they read: 1.5 becomes the integer 2, a long decimal loses digits, a timestamp its
offset, and the columns of a CSV file are taken by position. So Arrow reads the text, and DuckDB queries what it read.
"""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from include.exports.contract.kinds import children, kind
from include.exports.errors import SourceInterrupted, SourceRefused
from include.exports.sources import csv, exact, hive, ndjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from io import BufferedIOBase

    import pyarrow as pa
    from duckdb.sqltypes import DuckDBPyType
    from fsspec import AbstractFileSystem


def type_problem(form: str, name: str) -> str | None:
    """Why `name` cannot be declared as the type of a column of `csv` or `ndjson` files; None when it can."""
    if name == "BLOB":
        return "'BLOB' has no form in text that all agree on; declare VARCHAR"
    if form == "ndjson" and name == "JSON":
        return "'JSON' would not keep the digits of its numbers; declare its members, such as 'STRUCT(id BIGINT)'"
    return _nested_problem(name) if form == "ndjson" and _is_nested(name) else exact.type_problem(name)


def schema(columns: Sequence[str], types: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of `batches`. What has no declared type is a folder level, which is text."""
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(types.get(name, "VARCHAR"))) for name in columns])


def levels(file: str) -> dict[str, str | None]:
    """The folder levels `name=value` that lead to a file."""
    found = (part.partition("=") for part in file.split("/")[:-1] if "=" in part)
    return {name: None if value == hive.NULL else unquote(value) for name, _, value in found}


def batches(
    fs: AbstractFileSystem,
    files: Sequence[str],
    columns: Sequence[str],
    types: Mapping[str, str],
    delimiter: str | None,
    *,
    undeclared: Literal["error", "ignore"] = "error",
) -> Iterator[pa.RecordBatch]:
    """The records of CSV files, or of NDJSON files when `delimiter` is None, in order.

    A column that a file does not have is NULL; a folder level is a column, and hides one of its name in the file; what
    is not declared is refused, or in NDJSON ignored when `undeclared` says so. Raises `SourceRefused` naming the file,
    and row, column and value where they are at fault; `SourceInterrupted` when reading fails.
    """
    import pyarrow as pa

    target = schema(columns, types)
    for file in files:
        above = levels(file)
        row = 1
        with _errors(file), _open(fs, file) as stream:
            if delimiter:
                parsed = csv.parse(stream, delimiter, {*types, *above})
            else:
                parsed = ndjson.parse(stream, schema(list(types), types), types, undeclared)
            for batch in parsed:
                arrays = []
                for field in target:
                    if field.name in above:
                        values = pa.repeat(pa.scalar(above[field.name], pa.string()), len(batch))
                    elif field.name in batch.schema.names:
                        values = batch[field.name]
                    else:
                        values = pa.nulls(len(batch), pa.string())
                    arrays.append(_exactly(values, field, types.get(field.name, "VARCHAR"), row))
                yield pa.record_batch(arrays, schema=target)
                row += len(batch)


def _exactly(values: pa.Array, field: pa.Field, type_: str, row: int) -> pa.Array:
    import pyarrow as pa

    if values.type == field.type:
        return values
    if not _is_nested(type_):
        return exact.from_text(values, type_, field.name, row)
    try:
        return values.cast(field.type)
    except pa.ArrowInvalid as error:
        rows = f"rows {row} to {row + len(values) - 1}"
        raise SourceRefused(f"column {field.name!r}, {rows}: not exactly a {type_}: {error}") from error


@contextmanager
def _open(fs: AbstractFileSystem, file: str) -> Iterator[BufferedIOBase]:
    with fs.open(file, "rb") as stored:
        if file.endswith(".gz"):
            with gzip.GzipFile(fileobj=stored) as stream:
                yield stream
        else:
            yield stored


@contextmanager
def _errors(file: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (SourceRefused, pa.ArrowInvalid) as error:
        raise SourceRefused(f"{file}: {error}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceRefused(f"{file} is not a whole gzip file: {error}; write it again") from error
    except OSError as error:
        raise SourceInterrupted(f"{file}: {error}; the task is tried again") from error


def _is_nested(name: str) -> bool:
    return name.startswith("STRUCT(") or name.endswith("]")


def _nested_problem(name: str) -> str | None:
    import duckdb

    try:
        leaves = list(_leaves(duckdb.sqltype(name)))
    except duckdb.Error:
        return f"{name!r} is not a type; write one such as 'VARCHAR[]' or 'STRUCT(id BIGINT, tags VARCHAR[])'"
    inside = {*ndjson.UNQUOTED, "date", "timestamp", "timestamp with time zone", "varchar"}
    wrong = [str(leaf) for leaf in leaves if kind(leaf) not in inside]
    return f"{name!r} has {wrong[0]} inside, which cannot be read there; declare VARCHAR" if wrong else None


def _leaves(type_: DuckDBPyType) -> Iterator[DuckDBPyType]:
    if kind(type_) not in {"list", "struct"}:
        yield type_
        return
    for _, child in children(type_):
        yield from _leaves(child)


def _arrow_type(name: str) -> pa.DataType:
    import duckdb

    return _nested_arrow_type(duckdb.sqltype(name)) if _is_nested(name) else exact.arrow_type(name)


def _nested_arrow_type(type_: DuckDBPyType) -> pa.DataType:
    import pyarrow as pa

    match kind(type_):
        case "list":
            return pa.list_(_nested_arrow_type(dict(children(type_))["child"]))
        case "struct":
            return pa.struct([(name, _nested_arrow_type(child)) for name, child in children(type_)])
        case "timestamp with time zone":
            return exact.arrow_type("TIMESTAMPTZ")
        case _:
            return exact.arrow_type(str(type_))
