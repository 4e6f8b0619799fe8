"""Avro files as Arrow batches."""

from __future__ import annotations

import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any

from include.exports.errors import SourceInterrupted, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from fsspec import AbstractFileSystem

BATCH_ROWS = 20_000
"""Records that are Python objects at the same time."""


def batches(
    fs: AbstractFileSystem, files: Sequence[str], schema: pa.Schema, constants: Sequence[dict[str, str]]
) -> Iterator[pa.RecordBatch]:
    """The records of the files, in order, as the columns of `schema`; a column that a file does not have is NULL.

    `constants` holds for each file the columns that it does not hold itself. Raises `SourceRefused` naming the file
    when it is not whole or a value is not of its column's type, `SourceInterrupted` when reading fails.
    """
    import pyarrow as pa
    from fastavro import reader
    from fastavro.read import SchemaResolutionError

    for file, constant in zip(files, constants, strict=True):
        try:
            with fs.open(file, "rb") as stream:
                found = reader(stream).writer_schema
                stream.seek(0)
                records = reader(stream, reader_schema=_projected(found, schema.names))
                while rows := list(islice(records, BATCH_ROWS)):
                    yield pa.record_batch([_column(rows, field, constant) for field in schema], schema=schema)
        except OSError as error:
            raise SourceInterrupted(f"{file}: {error}; the task is tried again") from error
        except (ValueError, EOFError, IndexError, StopIteration, zlib.error, SchemaResolutionError) as error:
            raise SourceRefused(f"{file} is not a whole Avro file of this type of event: {error}") from error


def _projected(found: Any, names: Sequence[str]) -> Any:
    """The file's own schema without the fields that nobody asked for: they are skipped and not made."""
    return found | {"fields": [field for field in found["fields"] if field["name"] in names]}


def _column(rows: list[Any], field: pa.Field, constant: dict[str, str]) -> pa.Array:
    import pyarrow as pa

    if field.name in constant:
        return pa.repeat(pa.scalar(constant[field.name], field.type), len(rows))
    return pa.array([row.get(field.name) for row in rows], field.type)
