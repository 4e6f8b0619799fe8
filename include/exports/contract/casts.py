"""Casts that a definition declares: a value is the same afterwards, or it is refused."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from include.exports.contract.kinds import FLOATS, LARGE_INTEGERS, SMALL_INTEGERS, kind
from include.exports.contract.refusal import refusal
from include.exports.engine import literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb.sqltypes import DuckDBPyType

DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
ZEROS = r"(\.0*)?"
MILLIS, MICROS, NANOS = (rf"(\.[0-9]{{0,{digits}}}0*)?" for digits in (3, 6, 9))  # zeros behind those say nothing
OFFSET = "(Z|[+-](0[0-9]|1[0-8])(:?[0-5][0-9])?)"  # DuckDB takes +99:99
INTEGER = "[+-]?[0-9]+"
FLOAT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)"

FORMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(SMALL_INTEGERS | LARGE_INTEGERS, (INTEGER, "-12")),
        **dict.fromkeys(FLOATS, (FLOAT, "-1.5e3, nan or inf")),
        "boolean": ("true|false", "true or false"),
        "date": (DATE, "2024-02-29"),
        "time": (TIME + MICROS, "12:34:56.123456"),
        "time_ns": (TIME + NANOS, "12:34:56.123456789"),
        "timestamp_s": (f"{DATE}[ T]{TIME}{ZEROS}", "2024-02-29 12:34:56"),
        "timestamp_ms": (f"{DATE}[ T]{TIME}{MILLIS}", "2024-02-29 12:34:56.123"),
        "timestamp": (f"{DATE}[ T]{TIME}{MICROS}", "2024-02-29 12:34:56.123456"),
        "timestamp_ns": (f"{DATE}[ T]{TIME}{NANOS}", "2024-02-29 12:34:56.123456789"),
        "timestamp with time zone": (f"{DATE}[ T]{TIME}{MICROS}{OFFSET}", "2024-02-29 12:34:56.123456+00:00"),
        "timestamptz_ns": (f"{DATE}[ T]{TIME}{NANOS}{OFFSET}", "2024-02-29 12:34:56.123456789+00:00"),
        "uuid": ("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "0a1b2c3d-0000-4000-8000-00000000000f"),
        "json": ("(?s:.*)", '{"a": 1}'),
    }
)
"""The pattern of all text that is one value of a type and no other, in any case, and an example of it."""


def cast_problem(source: DuckDBPyType, wanted: DuckDBPyType) -> str | None:
    """Why no value of a type can be cast to another one exactly; None when values decide."""
    if kind(source) == "varchar" and kind(wanted) != "varchar" and not _form(wanted):
        return f"text is never cast to {wanted}, which has no one exact form in text; convert it in the source"
    return None


def cast_exactly(value: str, source: DuckDBPyType, wanted: DuckDBPyType, where: str, *, secret: bool) -> str:
    """SQL of `value`, of a type for whose cast there is no `cast_problem`, as the type `wanted`.

    Text must have the form of the type, with no more digits than it keeps; a floating type is the nearest number of a
    decimal, as everywhere, but of a whole one exactly that one. From other types, the cast back gives the value again.
    DuckDB alone would round, cut and guess. A value that cannot be cast is a `refusal`, which shows it unless it is
    `secret`.
    """
    if str(source) == str(wanted):
        return value
    result = f"try_cast({value} as {wanted})"
    exact, written = f"try_cast({result} as {source}) is not distinct from {value}", ""
    if kind(source) == "varchar" and (form := _form(wanted)):
        exact = f"regexp_full_match({value}, {literal(f'(?i){form[0]}')}) and {result} is not null"
        written = f", which is written {form[1]}"
        if kind(wanted) in FLOATS:
            exact += f" and {_nearest(value, result)}"
    shown = literal("a value that is masked") if secret else value
    rule = f"cannot be cast to {wanted} without changing it{written}; cast to another type, or convert it in the source"
    return f"case when {value} is null then null when {exact} then {result} else {refusal(where, shown, rule)} end"


def _nearest(text: str, number: str) -> str:
    """SQL of whether a number is what its text says: not infinite for digits, nor another whole number."""
    whole = f"regexp_full_match({text}, {literal(INTEGER + ZEROS)})"
    same = f"coalesce(try_cast({text} as hugeint) = try_cast({number} as hugeint), false)"
    return f"(case when {whole} then {same} else isfinite({number}) or not regexp_matches({text}, '[0-9]') end)"


def _form(wanted: DuckDBPyType) -> tuple[str, str] | None:
    """As in `FORMS`; None where text has no one form."""
    if kind(wanted) == "decimal":
        return rf"{INTEGER}(\.[0-9]{{0,{dict(wanted.children)['scale']}}}0*)?", "-1.5"
    return FORMS.get(kind(wanted))
