"""NDJSON files as Arrow batches: a JSON object a line, in UTF-8."""

from __future__ import annotations

import json
import reprlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from include.exports.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedIOBase

    import pyarrow as pa

BLOCK = 4 << 20
"""Bytes read at a time. A longer line is read whole."""

BATCH_ROWS = 100_000

UNQUOTED = frozenset({"bigint", "boolean", "decimal", "double", "integer", "smallint"})
"""Kinds of types whose values stand in JSON without quotes. All others are read as text."""


def parse(
    stream: BufferedIOBase, declared: pa.Schema, types: Mapping[str, str], undeclared: str = "error"
) -> Iterator[pa.RecordBatch]:
    """The declared columns: `UNQUOTED` ones with all their digits, others as text. A key that is missing is NULL.

    `types` are the columns' types as they are declared, for messages.
    Raises `SourceRefused` for a line that is not an object of declared members, naming line, column and value.
    """
    import pyarrow as pa

    fields = pa.schema([(field.name, _written(field.type)) for field in declared])
    line = 1
    for block in _blocks(stream):
        if block.strip():
            try:
                table = _read(block, fields, undeclared)
            except pa.ArrowInvalid as error:
                raise _refused(block.split(b"\n"), line, fields, types) from error
            yield from table.to_batches(max_chunksize=BATCH_ROWS)
        line += block.count(b"\n") + 1


def _blocks(stream: BufferedIOBase) -> Iterator[bytes]:
    """The stream in pieces of whole lines, the line feed between two pieces left out."""
    rest = b""
    while chunk := stream.read(BLOCK):
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield whole
    yield rest


def _written(type_: pa.DataType) -> pa.DataType:
    """How JSON writes values of a type."""
    import pyarrow as pa

    if pa.types.is_list(type_):
        return pa.list_(_written(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, _written(field.type)) for field in type_])
    unquoted = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_floating)
    return type_ if any(is_one(type_) for is_one in unquoted) else pa.string()


def _read(block: bytes, fields: pa.Schema, undeclared: str = "error") -> pa.Table:
    import pyarrow as pa
    import pyarrow.json

    table = pyarrow.json.read_json(
        pa.BufferReader(block),
        read_options=pyarrow.json.ReadOptions(block_size=len(block) + 1),  # so that a line of any length fits
        parse_options=pyarrow.json.ParseOptions(explicit_schema=fields, unexpected_field_behavior=undeclared),
    )
    table.validate(full=True)  # Arrow does not look at UTF-8 before
    return table


def _refused(lines: list[bytes], number: int, fields: pa.Schema, types: Mapping[str, str]) -> SourceRefused:
    """What is wrong with the first of `lines` that cannot be read; they begin at line `number` of the file."""
    while len(lines) > 1:
        half = lines[: len(lines) // 2]
        if _problem(b"\n".join(half), fields):
            lines = half
        else:
            lines, number = lines[len(half) :], number + len(half)
    try:
        record = json.loads(lines[0], parse_float=Decimal)
    except ValueError as error:
        return SourceRefused(f"line {number} is not JSON in UTF-8: {error}; correct it at the source")
    if not isinstance(record, dict):
        return SourceRefused(f"line {number} is not a JSON object: {reprlib.repr(record)}; correct it at the source")
    return SourceRefused(f"line {number}{_fault(lines[0], record, fields, types)}")


def _fault(line: bytes, record: dict[str, Any], fields: pa.Schema, types: Mapping[str, str]) -> str:
    import pyarrow as pa

    if problem := _problem(line, pa.schema([]), "ignore"):
        return f": {problem}; correct it at the source"
    for field in fields:
        if problem := _problem(line, pa.schema([field]), "ignore"):
            value, remedy = reprlib.repr(record.get(field.name)), "correct it at the source, or declare another type"
            return f", column {field.name!r}: {value} is not exactly a {types[field.name]}; {remedy} ({problem})"
    undeclared = ", ".join(repr(name) for name in record if name not in types) or "a member of a STRUCT"
    remedy = "declare it, and leave it out with columns.exclude where it is not wanted"
    return f": {undeclared} is not declared in source.types; {remedy}"


def _problem(block: bytes, fields: pa.Schema, undeclared: str = "error") -> str | None:
    import pyarrow as pa

    try:
        if block.strip():
            _read(block, fields, undeclared)
    except pa.ArrowInvalid as error:
        return str(error)
    return None
