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
    """SQL of the column as Parquet keeps it: an INTERVAL becomes its ISO 8601 text, JSON that is not valid is refused, all
    else stays as it is.

    Parquet has no infinite dates and timestamps. DuckDB writes the largest number instead, and only DuckDB reads it as
    infinite again: `fail` refuses them with `refusal`, for Parquet that is delivered; `keep` is for Parquet that only
    we read.
    """
    return _staged(identifier(column.name), column.type, column.name, keep=infinite == "keep")


def _staged(x: str, type_: DuckDBPyType, where: str, *, keep: bool) -> str:
    changed = {"interval", "json"} if keep else {"interval", "json"} | MOMENTS
    if every(type_, lambda part: kind(part) not in changed):
        return x
    parts = {name: (inner(where, type_, name), child) for name, child in children(type_)}

    def part(name: str, value: str) -> str:
        below, child = parts[name]
        return _staged(value, child, below, keep=keep)

    match kind(type_):
        case "interval":
            return duration(x)
        case "json":
            return checked_json(x, where, x)
        case "struct":
            fields = (f"{identifier(name)} := {part(name, f'struct_extract({x}, {literal(name)})')}" for name in parts)
            return f"case when {x} is not null then struct_pack({', '.join(fields)}) end"
        case "map":
            key, value = (part(name, f"struct_extract(e, '{name}')") for name in ("key", "value"))
            entry = f"struct_pack(key := {key}, value := {value})"
            return f"map_from_entries(list_transform(map_entries({x}), lambda e: {entry}))"
        case nested if nested in LISTS:
            return f"list_transform({x}, lambda e: {part('child', 'e')})"
        case _:
            refused = refusal(
                where, x, "is not a date that Parquet has; replace it in the source, or cast the column to VARCHAR"
            )
            return f"case when {x} in ('infinity', '-infinity') then {refused} else {x} end"
