"""Columns as text: the SQL that makes JSON and the fields of CSV."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from include.exports.contract.kinds import (
    FLOATS,
    LARGE_INTEGERS,
    LISTS,
    MOMENTS,
    SMALL_INTEGERS,
    TIMES,
    children,
    every,
    inner,
    kind,
)
from include.exports.contract.refusal import refusal
from include.exports.engine import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb.sqltypes import DuckDBPyType

    from include.exports.sources import Column

NonFinite = Literal["null", "string", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a definition decides about values that not all readers of text understand."""

    non_finite: NonFinite = "null"
    """NaN and infinities, of numbers and of dates: NULL, the texts NaN, Infinity and -Infinity, or a refusal."""
    as_string: bool = False
    """JSON only: integers of 64 bits and decimals in quotes."""


def json_text(column: Column, policy: Policy) -> str:
    """SQL of the column as JSON text; `null` for NULL."""
    return f"coalesce({_json(identifier(column.name), column.type, column.name, policy)}, 'null')"


def json_object(values: Mapping[str, str], end: str = "") -> str:
    """SQL of a JSON object, from SQL of the JSON of its values by name, followed by the text `end`."""
    parts, before = [], "{"
    for name, value in values.items():  # every argument of concat costs time for every row, also a constant one
        parts += [literal(f"{before}{json.dumps(name, ensure_ascii=False)}:"), value]
        before = ","
    return f"concat({', '.join(parts)}, {literal('}' + end)})"


def csv_text(column: Column, policy: Policy) -> str:
    """SQL of the column as text without quotes, nested values as JSON; NULL for NULL."""
    make = _json if kind(column.type) == "json" or children(column.type) else _text
    return make(identifier(column.name), column.type, column.name, policy)


def _json(x: str, type_: DuckDBPyType, where: str, policy: Policy) -> str:
    """The value as JSON; NULL for NULL."""
    bare = SMALL_INTEGERS | {"boolean"} | (set() if policy.as_string else LARGE_INTEGERS | {"decimal"})
    if kind(type_) in bare:
        return _text(x, type_, where, policy)
    if every(type_, lambda part: _is_native(part, policy)):
        return f"to_json({x})::varchar"
    if kind(type_) == "json":
        # to_json would round its long numbers. A line break can only be space between tokens.
        return checked_json(x, where, f"replace(replace({x}::varchar, chr(10), ' '), chr(13), ' ')")
    if children(type_):
        return _nested(x, type_, where, policy)
    return _text(x, type_, where, policy, quote='"')


def _is_native(type_: DuckDBPyType, policy: Policy) -> bool:
    """Whether DuckDB's own to_json writes the type as the contract says.

    It widens a FLOAT (1.1 becomes 1.100000023841858), drops zeros of a DECIMAL, writes bytes as text, NaN as NaN, and
    timestamps in a form that RFC 3339 does not have.
    """
    own = SMALL_INTEGERS | LISTS | {"boolean", "varchar", "enum", "uuid", "struct", "map"}
    return kind(type_) in (own if policy.as_string else own | LARGE_INTEGERS)


def _nested(x: str, type_: DuckDBPyType, where: str, policy: Policy) -> str:
    """Lambdas name their parameter e and never write `e.field`, which would find a column named e before it."""
    parts = dict(children(type_))

    def part(name: str, value: str) -> str:
        return f"coalesce({_json(value, parts[name], inner(where, type_, name), policy)}, 'null')"

    if kind(type_) == "struct":
        values = {name: part(name, f"struct_extract({x}, {literal(name)})") for name in parts}
        return f"case when {x} is not null then {json_object(values)} end"
    if kind(type_) == "map":
        value = part("value", "struct_extract(e, 'value')")
        member = f"concat(to_json(struct_extract(e, 'key')), ':', {value})"
        return f"'{{' || array_to_string(list_transform(map_entries({x}), lambda e: {member}), ',') || '}}'"
    return f"'[' || array_to_string(list_transform({x}, lambda e: {part('child', 'e')}), ',') || ']'"


def _text(x: str, type_: DuckDBPyType, where: str, policy: Policy, *, quote: str = "") -> str:
    """The value as text, which needs no escapes in JSON unless it is a VARCHAR or an ENUM; NULL for NULL.

    `quote` goes around it, but not around a finite number of a floating type.
    """
    name, text = kind(type_), f"{x}::varchar"
    if name in FLOATS:
        return _float(x, where, policy, quote)
    if name in MOMENTS:
        return _moment(x, name, where, policy, quote)
    if name == "decimal":
        sizes = dict(type_.children)
        # DuckDB writes DECIMAL(2,2) without the zero before the point, which JSON requires.
        text = f"replace({text}, '.', '0.')" if sizes["precision"] == sizes["scale"] else text
    elif name == "blob":
        text = f"base64({x})"
    elif name == "interval":
        text = duration(x)
    elif name in TIMES:
        digits = 9 if name == "time_ns" else 6
        text = f"rpad({text} || case when length({text}) = 8 then '.' else '' end, {9 + digits}, '0')"
    return f"{literal(quote)} || {text} || {literal(quote)}" if quote else text


def _float(x: str, where: str, policy: Policy, quote: str) -> str:
    match policy.non_finite:
        case "null":
            other = "null"
        case "string":
            infinity, negative, nan = (literal(f"{quote}{text}{quote}") for text in ("Infinity", "-Infinity", "NaN"))
            other = f"case when isnan({x}) then {nan} when {x} > 0 then {infinity} when {x} < 0 then {negative} end"
        case "fail":
            refused = refusal(where, x, "is not a number that JSON has; declare non_finite='null' or 'string'")
            other = f"case when {x} is not null then {refused} end"
    return f"case when isfinite({x}) then {x}::varchar else {other} end"


def _moment(x: str, name: str, where: str, policy: Policy, quote: str) -> str:
    """RFC 3339, which has the years 0001 to 9999; UTC where the type has a zone."""
    match policy.non_finite:
        case "null":
            infinite = "null"
        case "string":
            infinity, negative = (literal(f"{quote}{text}{quote}") for text in ("Infinity", "-Infinity"))
            infinite = f"case when {x} = 'infinity' then {infinity} else {negative} end"
        case "fail":
            infinite = refusal(where, x, "is not a date that RFC 3339 has; declare non_finite='null' or 'string'")
    zone = ""
    begin, end = "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"
    finite = f"{x} not in ('infinity', '-infinity')"  # enough for nanoseconds, which reach from 1677 to 2262
    match name:
        case "date":
            text, inside = f"{x}::varchar", f"{x} between '0001-01-01' and '9999-12-31'"
        case "timestamp with time zone":
            text, zone = _rfc3339(f"make_timestamp(epoch_us({x}))", "%f"), "Z"
            inside = f"{x} between '{begin}+00' and '{end}+00'"
        case "timestamptz_ns":
            text, zone = _rfc3339(f"make_timestamp_ns(epoch_ns({x}))", "%n"), "Z"
            inside = finite
        case "timestamp_ns":
            text, inside = _rfc3339(x, "%n"), finite
        case _:
            text, inside = _rfc3339(f"{x}::timestamp", "%f"), f"{x}::timestamp between '{begin}' and '{end}'"
    if quote or zone:
        # Not in strftime's format: in DuckDB 2.0, text after %n overwrites its last digits.
        text = f"concat({literal(quote)}, {text}, {literal(zone + quote)})"
    outside = refusal(where, x, "is outside the years 0001 to 9999 of RFC 3339; cast the column to VARCHAR")
    # What almost all values are comes first: later conditions are only looked at for the rows that are left.
    return (
        f"case when {inside} then {text} when {x} is null then null"
        f" when {x} in ('infinity', '-infinity') then {infinite} else {outside} end"
    )


def _rfc3339(timestamp: str, fraction: str) -> str:
    return f"strftime({timestamp}, '%Y-%m-%dT%H:%M:%S.{fraction}')"


def duration(x: str) -> str:
    """SQL of an INTERVAL as an ISO 8601 duration with signed parts, as PostgreSQL writes it: `P1Y-2M3DT-4H0.5S`."""

    def part(unit: str, letter: str) -> str:
        return f"nullif(datepart('{unit}', {x}), 0) || '{letter}'"

    seconds = f"datepart('microsecond', {x})"
    digits = f"rtrim(rtrim(({seconds} * 0.000001)::varchar, '0'), '.') || 'S'"
    date = f"{part('year', 'Y')}, {part('month', 'M')}, {part('day', 'D')}"
    time = f"concat({part('hour', 'H')}, {part('minute', 'M')}, case when {seconds} <> 0 then {digits} end)"
    text = f"concat('P', {date}, 'T' || nullif({time}, ''))"
    return f"case when {x} is not null then coalesce(nullif({text}, 'P'), 'PT0S') end"


def checked_json(x: str, where: str, text: str) -> str:
    """SQL of `text` where the JSON `x` is valid, else a `refusal`; NULL for NULL.

    json_valid also takes NaN, Infinity and a comma before a bracket. The pattern finds those, first in the whole text,
    which is cheap and almost always enough, then in what is left without the strings.
    """
    lax = r"'(?i)nan|inf|,\s*[\]}]'"
    bare = rf"""regexp_replace({x}::varchar, '"([^"\\]|\\.)*"', '""', 'gs')"""
    valid = f"json_valid({x}) and not (regexp_matches({x}::varchar, {lax}) and regexp_matches({bare}, {lax}))"
    refused = refusal(where, x, "is not valid JSON; correct it in the source, or cast the column to VARCHAR")
    return f"case when {x} is null then null when {valid} then {text} else {refused} end"
