"""Which types the contract keeps, and why it refuses the others."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from include.exports.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from duckdb.sqltypes import DuckDBPyType

    from include.exports.sources import Column

SMALL_INTEGERS = frozenset({"tinyint", "smallint", "integer", "utinyint", "usmallint", "uinteger"})
LARGE_INTEGERS = frozenset({"bigint", "ubigint"})
"""Beyond 2^53, where JavaScript and other readers that take every number for a double lose digits."""
FLOATS = frozenset({"float", "double"})
NUMBERS = SMALL_INTEGERS | LARGE_INTEGERS | FLOATS | {"decimal"}
MOMENTS = frozenset(
    {
        "date",
        "timestamp",
        "timestamp_s",
        "timestamp_ms",
        "timestamp_ns",
        "timestamp with time zone",
        "timestamptz_ns",
    }
)
"""Types that have an infinity before and after all other values."""
TIMES = frozenset({"time", "time_ns"})
LISTS = frozenset({"list", "array"})
KEPT = (
    NUMBERS
    | MOMENTS
    | TIMES
    | LISTS
    | {"boolean", "varchar", "json", "enum", "blob", "uuid", "interval", "struct", "map"}
)

REFUSED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "bignum": ("Parquet has no integer of any size", "VARCHAR"),
        "bit": ("Parquet has no bit strings", "VARCHAR"),
        "geometry": ("readers do not agree on how Parquet holds it", "VARCHAR"),
        "hugeint": ("Parquet would hold it as a double, which loses digits", "DECIMAL(38,0)"),
        "null": ("it has no type", "the type it will have"),
        "time with time zone": ("Parquet would lose its offset", "VARCHAR"),
        "tuple": ("its fields have no names", "a STRUCT"),
        "type": ("a type is not data", "VARCHAR"),
        "uhugeint": ("Parquet would hold it as a double, which loses digits", "DECIMAL(38,0)"),
        "union": ("Parquet would hold all its members side by side", "VARCHAR"),
        "variant": ("most readers of Parquet do not know it", "JSON"),
    }
)
"""Types that DuckDB has and files cannot keep: why, and what to cast to."""


def kind(type_: DuckDBPyType) -> str:
    """DuckDB's id of a type, where JSON, an alias of VARCHAR, is a type of its own."""
    return "json" if str(type_) == "JSON" else type_.id


def children(type_: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """The parts of a nested type: `key` and `value` of a map, `child` of a list, the fields of a struct."""
    if kind(type_) not in LISTS | {"struct", "map"}:
        return []
    parts = type_.children[:1] if kind(type_) in LISTS else type_.children  # an array's second one is its size
    return cast("list[tuple[str, DuckDBPyType]]", parts)


def every(type_: DuckDBPyType, accepts: Callable[[DuckDBPyType], bool]) -> bool:
    """Whether `accepts` holds for a type and everything inside it."""
    return accepts(type_) and all(every(child, accepts) for _, child in children(type_))


def is_plain(type_: DuckDBPyType) -> bool:
    """Whether the text of a value has nothing but letters, digits and `+ - . :`."""
    return kind(type_) in NUMBERS | MOMENTS | TIMES | {"boolean"}


def problems(columns: Iterable[Column]) -> list[Problem]:
    """The columns that no file can keep, with the type to cast them to."""
    return [
        Problem("columns.cast", _message(column, where, type_))
        for column in columns
        for where, type_ in _inside(column.name, column.type)
        if kind(type_) not in KEPT
    ]


def json_problems(columns: Iterable[Column]) -> list[Problem]:
    """The columns that Parquet can keep and JSON cannot: its objects have text for keys."""
    return [
        Problem(
            "columns.cast",
            f"{where!r} is {type_}, and the keys of a JSON object are text; cast {column.name!r} so that the map's"
            " keys are VARCHAR",
        )
        for column in columns
        for where, type_ in _inside(column.name, column.type)
        if kind(type_) == "map" and str(dict(type_.children)["key"]) != "VARCHAR"
    ]


def inner(where: str, type_: DuckDBPyType, name: str) -> str:
    """How a part of a nested value is called in messages: `address.city`, `tags[]`, `attributes{}`."""
    match kind(type_):
        case "struct":
            return f"{where}.{name}"
        case "map":
            return f"{where}{{}}"
        case _:
            return f"{where}[]"


def _inside(where: str, type_: DuckDBPyType) -> Iterator[tuple[str, DuckDBPyType]]:
    yield where, type_
    for name, child in children(type_):
        yield from _inside(inner(where, type_, name), child)


def _message(column: Column, where: str, type_: DuckDBPyType) -> str:
    why, remedy = REFUSED.get(type_.id, ("the contract of types does not list it", "VARCHAR"))
    cast = f"cast it to {remedy}" if where == column.name else f"cast {column.name!r} so that it holds {remedy} there"
    return f"{where!r} is {type_}, which cannot be kept: {why}; {cast}"
