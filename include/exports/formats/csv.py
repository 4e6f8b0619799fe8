"""CSV as in RFC 4180, in UTF-8, with NULL told apart from empty text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from include.exports.contract import Policy, csv_text, is_plain, json_problems, kind, refusal
from include.exports.engine import identifier, literal
from include.exports.errors import Problem
from include.exports.formats.text import TextFiles, columns, write_lines
from include.exports.model import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

    from include.exports.formats import Written
    from include.exports.progress import Progress
    from include.exports.sources import Column

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
APOSTROPHE = "'"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet take text for a formula."""


class CsvFiles(TextFiles):
    """Comma-separated values. Nested values are JSON."""

    type: Literal["csv"] = "csv"
    header: bool = True
    """Begin each file with the column names."""
    delimiter: str = ","
    """The one character between fields."""
    quote: str = '"'
    """The one character around quoted fields; within one it is doubled."""
    quoting: Literal["minimal", "all"] = "minimal"
    """`minimal`: quote text that has a delimiter, a quote or a line break, that is empty, or that equals the null
    marker. `all`: quote every field that is not NULL."""
    null_marker: str = ""
    """What stands for NULL, never quoted; by default nothing, and empty text is then told apart by its quotes."""
    line_terminator: Literal["\n", "\r\n"] = "\n"
    """Ends every line, the last one too."""
    formula_guard: bool | Literal["numbers"] = False
    """Put an apostrophe before text that a spreadsheet would run as a formula: text that begins with = + - @, a tab or
    a carriage return and is not a plain number. `numbers`: before those too, also in columns of numbers, as Braze does
    (`'-1943`); it keeps Excel from taking `+821012345678` for a number. For people; a program that reads the file gets
    the apostrophe too."""

    @property
    def header_lines(self) -> int:
        return int(self.header)

    @property
    def dialect(self) -> dict[str, str]:
        fields = ("delimiter", "quote", "quoting", "null_marker", "line_terminator")
        return {field: getattr(self, field) for field in fields}

    @property
    def extension(self) -> str:
        """`.csv`, `.csv.gz`, `.csv.zip` or `.csv.zst`."""
        return f".csv{self.suffix}"

    @model_validator(mode="after")
    def _tells_apart(self) -> Self:
        """Characters that also occur in numbers, dates or line ends would make other fields of a field."""
        if found := list(self._problems()):
            raise Problems(found)
        return self

    def _problems(self) -> Iterator[Problem]:
        for field, value, remedy in (("delimiter", self.delimiter, "','"), ("quote", self.quote, "'\"'")):
            if len(value) != 1 or value in "\n\r\0" or re.fullmatch(r"[0-9A-Za-z+.:-]", value):
                yield Problem(
                    field,
                    f"{value!r} must be one character that numbers, dates and line ends do not have; write {remedy}",
                )
        if self.delimiter == self.quote:
            yield Problem("quote", f"{self.quote!r} is also the delimiter; write another character for one of them")
        if clash := [part for part in (self.delimiter, self.quote, "\n", "\r") if part and part in self.null_marker]:
            yield Problem(
                "null_marker",
                f"{self.null_marker!r} must not contain {clash[0]!r}; write one such as 'NULL' or '\\\\N'",
            )
        if re.match(r"[+-]?\.?[0-9]|(true|false|NaN|-?Infinity)$", self.null_marker):
            yield Problem(
                "null_marker", f"{self.null_marker!r} reads like a value; write one such as 'NULL' or '\\\\N'"
            )


def problems(files: CsvFiles, columns: Sequence[Column]) -> list[Problem]:  # noqa: ARG001  # depends on no setting
    """Maps whose keys are not text: nested values are JSON."""
    return json_problems(columns)


def write(files: CsvFiles, con: duckdb.DuckDBPyConnection, query: str, path: Path, progress: Progress) -> Written:
    """The rows of `query`, in order, as one file at `path`; a file without rows has the header alone.

    Raises `SourceRefused` for a value that text cannot keep; then nothing is left at `path`.
    """
    header = ""
    if files.header:
        names = (f"{literal(column.name)} as {identifier(column.name)}" for column in columns(con, query))
        ((header,),) = con.sql(_lines(files, con, f"select {', '.join(names)}")).fetchall()
    lines = _lines(files, con, query)
    return write_lines(files, con, lines, path, progress, header=header)


def _lines(files: CsvFiles, con: duckdb.DuckDBPyConnection, query: str) -> str:
    """SQL of the query's rows as lines. Each text is made once, in a query of its own: quoting looks at it often."""
    found = columns(con, query)
    policy = Policy(non_finite=files.non_finite)
    texts = ", ".join(f"{_guarded(files, column, csv_text(column, policy))} as c{i}" for i, column in enumerate(found))
    fields = f", {literal(files.delimiter)}, ".join(
        _field(files, column, f"c{i}", alone=len(found) == 1) for i, column in enumerate(found)
    )
    return f"select concat({fields}, {literal(files.line_terminator)}) from (select {texts} from ({query}))"


def _guarded(files: CsvFiles, column: Column, text: str) -> str:
    numbers = files.formula_guard == "numbers"
    if not files.formula_guard or not (numbers or kind(column.type) in {"varchar", "enum"}):
        return text
    begins = f"left({text}, 1) in ({', '.join(map(literal, FORMULA))})"
    guarded = f"concat({literal(APOSTROPHE)}, {text})"
    if numbers:
        return f"case when {begins} then {guarded} else {text} end"
    return f"case when {begins} and not regexp_full_match({text}, {literal(NUMBER)}) then {guarded} else {text} end"


def _field(files: CsvFiles, column: Column, text: str, *, alone: bool) -> str:
    null = literal(files.null_marker)
    if alone and not files.null_marker:
        rule = "would be an empty line, which readers skip; declare null_marker='NULL'"
        null = refusal(column.name, f"coalesce({text}, 'NULL')", rule)
    quote, doubled = literal(files.quote), literal(files.quote * 2)
    quoted = f"concat({quote}, replace({text}, {quote}, {doubled}), {quote})"
    if files.quoting == "all":
        return f"case when {text} is null then {null} else {quoted} end"
    if is_plain(column.type):
        return f"case when {text} is null then {null} else {text} end"
    special = " or ".join(f"contains({text}, {literal(part)})" for part in (files.delimiter, files.quote, "\n", "\r"))
    unclear = f"{text} in ('', {literal(files.null_marker)}) or {special}"
    return f"case when {text} is null then {null} when {unclear} then {quoted} else {text} end"
