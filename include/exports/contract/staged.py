"""Columns as they are put into Parquet, so that nothing is lost on the way to any format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from include.exports.contract.kinds import LISTS, MOMENTS, children, every, inner, kind
from include.exports.contract.refusal import refusal
from include.exports.contract.text import checked_json, duration
from include.exports.engine import identifier, literal

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

    from include.exports.sources import Column


def staged(column: Column, *, infinite: Literal["fail", "keep"] = "fail") -> str:
    """SQL of the column as Parquet keeps it: an INTERVAL becomes its ISO 8601 text, all else stays as it is.

    JSON that is not valid is refused. So are infinite dates and timestamps, for Parquet has none: DuckDB writes the
    largest number instead, and only DuckDB reads it as infinite again. `keep` lets them pass, into Parquet that only
    we read.
    """
    changed = {"interval", "json"} | (MOMENTS if infinite == "fail" else set())
    return _staged(identifier(column.name), column.type, column.name, changed)


def _staged(x: str, type_: DuckDBPyType, where: str, changed: set[str]) -> str:
    """The value with what is `changed` inside it; what is not is not taken apart."""
    if every(type_, lambda part: kind(part) not in changed):
        return x
    parts = dict(children(type_))

    def part(name: str, value: str) -> str:
        return _staged(value, parts[name], inner(where, type_, name), changed)

    name = kind(type_)
    if name == "interval":
        sql = duration(x)
    elif name == "json":
        sql = checked_json(x, where, x)
    elif name == "struct":
        fields = (f"{identifier(field)} := {part(field, f'struct_extract({x}, {literal(field)})')}" for field in parts)
        sql = f"case when {x} is not null then struct_pack({', '.join(fields)}) end"
    elif name == "map":
        key, value = (part(field, f"struct_extract(e, '{field}')") for field in ("key", "value"))
        sql = (
            f"map_from_entries(list_transform(map_entries({x}), lambda e: struct_pack(key := {key}, value := {value})))"
        )
    elif name in LISTS:
        sql = f"list_transform({x}, lambda e: {part('child', 'e')})"
    else:
        rule = "is not a date that Parquet has; replace it in the source, or cast the column to VARCHAR"
        sql = f"case when {x} in ('infinity', '-infinity') then {refusal(where, x, rule)} else {x} end"
    return sql
