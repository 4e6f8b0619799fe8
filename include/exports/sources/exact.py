"""Values as exactly the type they are declared to be: a value fits or is refused, none is rounded or guessed.

Text is read strictly: ISO 8601 dates, times and timestamps, plain decimal numbers, `true` and `false`, JSON. A
timestamp has a UTC offset if and only if its type has one.
"""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from include.exports.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

CLASSES: dict[str, frozenset[type]] = {
    "BIGINT": frozenset({int}),
    "BLOB": frozenset({bytes, bytearray, memoryview}),
    "BOOLEAN": frozenset({bool, int}),
    "DATE": frozenset({date}),
    "DECIMAL": frozenset({Decimal, int}),
    "DOUBLE": frozenset({float, int}),
    "INTEGER": frozenset({int}),
    "JSON": frozenset(),
    "SMALLINT": frozenset({int}),
    "TIME": frozenset({time}),
    "TIMESTAMP": frozenset({datetime}),
    "TIMESTAMPTZ": frozenset({datetime}),
    "UUID": frozenset({UUID}),
    "VARCHAR": frozenset(),
}
"""The types that can be declared, and the Python classes besides `str` that hold their values exactly."""

UNTEXTUAL = frozenset({"BLOB", "DOUBLE"})
"""Types that text does not hold exactly, or not in one agreed way."""

DIGITS = 38
"""The longest DECIMAL."""

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def type_problem(name: str) -> str | None:
    """Why `name` cannot be declared as a type; None when it can."""
    if found := _DECIMAL.fullmatch(name):
        precision, scale = int(found[1]), int(found[2])
        if 1 <= precision <= DIGITS and scale <= precision:
            return None
        return f"{name!r} must have 1 to {DIGITS} digits, and no more of them after the point"
    if name in CLASSES and name != "DECIMAL":
        return None
    known = [*CLASSES.keys() - {"DECIMAL"}, "DECIMAL(38,9)"]
    close = difflib.get_close_matches(name.upper(), known, n=1)
    return f"{name!r} is not a known type; " + (
        f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(sorted(known))}"
    )


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type that DuckDB reads as the type `name`."""
    import pyarrow as pa

    if found := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    return {
        "BIGINT": pa.int64(),
        "BLOB": pa.binary(),
        "BOOLEAN": pa.bool_(),
        "DATE": pa.date32(),
        "DOUBLE": pa.float64(),
        "INTEGER": pa.int32(),
        "JSON": pa.json_(),
        "SMALLINT": pa.int16(),
        "TIME": pa.time64("us"),
        "TIMESTAMP": pa.timestamp("us"),
        "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
        "UUID": pa.uuid(),
        "VARCHAR": pa.string(),
    }[name]


def from_values(values: Sequence[Any], name: str, column: str, row: int) -> pa.Array:
    """Python values of `column`, the first of them in row number `row`, as Arrow values of the type `name`.

    Raises `SourceRefused` naming column, row and value for the first that does not fit.
    """
    import pyarrow as pa

    try:
        return _convert(values, name)
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        return pa.concat_arrays([_one(value, name, column, row + index) for index, value in enumerate(values)])


def from_text(texts: pa.Array, name: str, column: str, row: int) -> pa.Array:
    """Like `from_values`, for an Arrow array of text."""
    import pyarrow as pa

    try:
        return _parse(texts, name)
    except (ValueError, pa.ArrowException):
        return from_values(texts.to_pylist(), name, column, row)


def _one(value: Any, name: str, column: str, row: int) -> pa.Array:
    import pyarrow as pa

    try:
        return _convert([value], name)
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        raise SourceRefused(
            f"column {column!r}, row {row}: {reprlib.repr(value)} ({type(value).__name__}) is not exactly a {name};"
            " correct it at the source, convert it in a query, or declare another type"
        ) from None


def _convert(values: Sequence[Any], name: str) -> pa.Array:
    """Raises one of several errors of Python and Arrow when a value does not fit, or when classes are mixed."""
    import pyarrow as pa

    classes = {type(value) for value in values} - {type(None)}
    if classes == {str} and name not in UNTEXTUAL:
        return _parse(pa.array(values, pa.string()), name)
    if not classes <= CLASSES[name.partition("(")[0]]:
        raise TypeError(classes)
    if name == "BOOLEAN" and int in classes:
        values = [{None: None, 0: False, 1: True}.get(value, value) for value in values]
    if name in ("TIME", "TIMESTAMP", "TIMESTAMPTZ"):
        zoned = {value.tzinfo is not None for value in values if value is not None}
        if zoned - {name == "TIMESTAMPTZ"}:
            raise ValueError(zoned)
    if name == "UUID":
        values = [value and value.bytes for value in values]
    return pa.array(values, arrow_type(name))


def _parse(texts: pa.Array, name: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    match name:
        case "VARCHAR":
            return texts
        case "DOUBLE":
            numbers = texts.cast(arrow_type(name))
            if pc.any(pc.and_(pc.is_inf(numbers), pc.match_substring_regex(texts, "[0-9]"))).as_py():
                raise ValueError(name)  # a number so large that it has become infinite
            return numbers
        case "JSON":
            for text in texts.drop_null().to_pylist():
                json.loads(text, parse_constant=_not_json)
            return texts.cast(arrow_type(name))
        case "UUID":
            return pa.array([text and UUID(text).bytes for text in texts.to_pylist()], arrow_type(name))
        case "TIME":
            moments = pc.binary_join_element_wise("1970-01-01T", texts, "").cast(pa.timestamp("us"))
            return moments.cast(arrow_type(name))
        case _:
            return texts.cast(arrow_type(name))


def _not_json(constant: str) -> None:
    raise ValueError(constant)
