"""Whether a column that has several types, in files of different age, can be read as one of them without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from include.exports.contract.kinds import children, kind

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

SIGNED = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63, "hugeint": 127}
UNSIGNED = {"utinyint": 8, "usmallint": 16, "uinteger": 32, "ubigint": 64, "uhugeint": 128}
"""Bits of the largest number of each type."""

FLOATS = {"float": 24, "double": 53}
"""Bits of the largest number up to which each type has every integer."""

INSTANTS = {"timestamp_s": 0, "timestamp_ms": 3, "timestamp": 6}
"""Digits of a second; a `timestamp_ns`, which has more, has fewer years."""


def widens(narrow: DuckDBPyType, wide: DuckDBPyType) -> bool:
    """Whether every value of `narrow` is the same value in `wide`. A member that `narrow` lacks is NULL."""
    if narrow == wide or kind(narrow) == "null":
        return True
    match kind(narrow), kind(wide):
        case ("list", "list") | ("map", "map") | ("struct", "struct"):
            members = dict(children(wide))
            return all(name in members and widens(inner, members[name]) for name, inner in children(narrow))
        case "decimal", "decimal":
            (digits, scale), (wide_digits, wide_scale) = _digits(narrow), _digits(wide)
            return scale <= wide_scale and digits - scale <= wide_digits - wide_scale
        case small, "decimal" if small in SIGNED | UNSIGNED:
            digits, scale = _digits(wide)
            return bool(2 ** (SIGNED | UNSIGNED)[small] <= 10 ** (digits - scale))
        case small, large:
            return any(
                small in smaller and large in larger and smaller[small] <= larger[large]
                for smaller, larger in (
                    (SIGNED, SIGNED | FLOATS),
                    (UNSIGNED, UNSIGNED | SIGNED | FLOATS),
                    (FLOATS, FLOATS),
                    (INSTANTS, INSTANTS),
                )
            )


def _digits(decimal: DuckDBPyType) -> tuple[int, int]:
    sizes = cast("dict[str, int]", dict(decimal.children))
    return sizes["precision"], sizes["scale"]
