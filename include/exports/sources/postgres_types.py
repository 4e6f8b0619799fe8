"""What PostgreSQL's types become, and which of their values are refused because nothing carries them faithfully.

The driver passes some values on as others without saying so: infinite dates and timestamps, timestamps in the last
years, 24:00:00, nested arrays. They are found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exports.errors import SourceRefused
from include.exports.sources import Column
from include.exports.sources.exact import DIGITS, arrow_type, from_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

KEPT = {
    "bool": "BOOLEAN",
    "bpchar": "VARCHAR",
    "bytea": "BLOB",
    "char": "VARCHAR",
    "date": "DATE",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "interval": "INTERVAL",
    "json": "JSON",
    "jsonb": "JSON",
    "name": "VARCHAR",
    "text": "VARCHAR",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID",
    "varchar": "VARCHAR",
}
"""The DuckDB type that holds every finite value of a PostgreSQL type. Arrays of these are lists. The driver also reads
`oid` and `money`, but as other numbers than the ones that are meant."""

FIRST_DAY = -2_440_588
"""Days from 1970 to PostgreSQL's first date, in 4714 BC."""
DAY = 86_400_000_000

INFINITE_DATES = {-2_147_472_692: 2_147_483_647, -2_147_472_691: -2_147_483_647}
INFINITE_MOMENTS = {
    -9_222_425_352_054_775_809: 9_223_372_036_854_775_807,
    -9_222_425_352_054_775_808: -9_223_372_036_854_775_807,
}
"""What the driver makes of PostgreSQL's infinities, and what DuckDB's are. The driver adds the time from 1970 to 2000
and overflows, so they come, like timestamps after the year 294246, before any real date."""

LIMITS = {
    "date": (FIRST_DAY, None, INFINITE_DATES, "is before any date of PostgreSQL"),
    "timestamp": (FIRST_DAY * DAY, None, INFINITE_MOMENTS, "is after the year 294246, where Arrow and DuckDB end"),
    "timestamptz": (FIRST_DAY * DAY, None, INFINITE_MOMENTS, "is after the year 294246, where Arrow and DuckDB end"),
    "time": (None, DAY - 1, {}, "is 24:00:00, which files do not have"),
}
"""First and last value in the integers of Arrow, the infinities outside, and what else is outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column of a result."""

    column: Column
    kind: str
    """PostgreSQL's name of its type; of its elements, for an array."""
    is_list: bool
    as_text: bool
    """Whether its values arrive as text, because they are declared or numeric."""
    problem: str | None
    """Why it cannot be exported; its type is VARCHAR then, as in the remedy."""
    arrow: pa.DataType
    """The type of its Arrow values when they have been made exact."""


def field(given: pa.Field, declared: str | None) -> Field:
    """The column `given` by the driver, with the type that is `declared` for it."""
    import duckdb

    kind = given.metadata[b"POSTGRESQL:type"].decode()
    element = kind.removeprefix("_")
    name, problem = declared, None
    if name is None and kind == "numeric":
        name = _decimal(int(given.metadata[b"POSTGRESQL:typmod"]))
        problem = f"a numeric without digits, or with more than {DIGITS}" if name is None else None
    elif name is None and element in KEPT:
        name = KEPT[element] + "[]" * (element != kind)
    elif name is None:
        problem = f"of type {kind}, which is not kept"
    if problem:
        remedy = f"'DECIMAL({DIGITS},9)' or 'VARCHAR'" if kind == "numeric" else "'VARCHAR'"
        problem = f"{given.name!r} is {problem}; declare types={{{given.name!r}: {remedy}}}, or do not export it"
    as_text = declared is not None or kind == "numeric"
    return Field(
        column=Column(name=given.name, type=duckdb.sqltype(name or "VARCHAR")),
        kind=element,
        is_list=element != kind and not as_text,
        as_text=as_text,
        problem=problem,
        arrow=arrow_type(name) if name and as_text else given.type,
    )


def _decimal(typmod: int) -> str | None:
    """The DECIMAL that holds every value of a numeric column, unless none can. PostgreSQL's scale may be negative."""
    if typmod < 0:
        return None
    precision, scale = (typmod - 4) >> 16, (((typmod - 4) & 0x7FF) ^ 0x400) - 0x400
    digits = max(precision, scale) if scale >= 0 else precision - scale
    return f"DECIMAL({digits},{max(scale, 0)})" if digits <= DIGITS else None


def exact(found: Field, array: pa.Array, row: int) -> pa.Array:
    """The values of a column as its type has them. The first is in row number `row`. Raises `SourceRefused`."""
    import pyarrow as pa

    if found.as_text:
        texts = array.storage if isinstance(array, pa.ExtensionArray) else array  # numeric is an extension of text
        return from_text(texts, str(found.column.type), found.column.name, row)
    if found.kind not in LIMITS:
        return array
    if not found.is_list:
        return _within_limits(found, array, lambda index: row + index)
    values = array.values
    kept = _within_limits(found, values, lambda index: row + _parent(array, index))
    return array if kept is values else _with_values(array, kept)


def _within_limits(found: Field, values: pa.Array, row_of: Callable[[int], int]) -> pa.Array:
    """The values with infinities as DuckDB's; the same object when there is nothing outside the limits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lowest, highest, infinities, problem = LIMITS[found.kind]

    def outside(numbers: pa.Array) -> pa.Array:
        return pc.less(numbers, lowest) if lowest is not None else pc.greater(numbers, highest)

    numbers = values.view(pa.int32() if found.kind == "date" else pa.int64())
    if not pc.any(outside(numbers)).as_py():
        return values
    for given, meant in infinities.items():
        numbers = pc.if_else(pc.equal(numbers, given), pa.scalar(meant, numbers.type), numbers)
    infinite = pc.is_in(numbers, pa.array(infinities.values(), numbers.type))
    index = pc.index(pc.and_not(outside(numbers), infinite), value=True).as_py()
    if index >= 0:
        name = found.column.name
        raise SourceRefused(
            f"column {name!r}, row {row_of(index)}: a {found.kind} {problem}; replace it in a query, or declare"
            f" types={{{name!r}: 'VARCHAR'}}"
        )
    return numbers.view(values.type)


def _parent(lists: pa.Array, index: int) -> int:
    import pyarrow.compute as pc

    return int(pc.list_parent_indices(lists)[index].as_py())


def _with_values(lists: pa.Array, values: pa.Array) -> pa.Array:
    import pyarrow as pa

    return pa.ListArray.from_arrays(lists.offsets, values, type=lists.type, mask=lists.is_null())


def require_flat(found: Field, dimensions: pa.Array, row: int) -> None:
    """Refuse nested arrays, whose elements the driver passes on as one flat list. Raises `SourceRefused`."""
    import pyarrow.compute as pc

    index = pc.index(pc.greater(dimensions, 1), value=True).as_py()
    if index >= 0:
        name = found.column.name
        raise SourceRefused(
            f"column {name!r}, row {row + index}: an array has {dimensions[index]} dimensions, which are not kept;"
            f" unnest it in a query, or declare types={{{name!r}: 'VARCHAR'}}"
        )
