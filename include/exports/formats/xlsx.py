"""XLSX: one sheet a file, for people who open it in a spreadsheet. Written by XlsxWriter."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from include.exports.contract import Policy, csv_text, json_problems, kind, refusals
from include.exports.engine import identifier, with_room
from include.exports.errors import SourceRefused
from include.exports.formats import Files, Written
from include.exports.formats.text import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

    from include.exports.errors import Problem
    from include.exports.progress import Progress
    from include.exports.sources import Column

SHEET_ROWS = 1_048_576
"""Rows of a sheet, the header among them."""
LONGEST_TEXT = 32_767
"""Characters of a cell."""
EXACT_DIGITS = 15
"""What a spreadsheet keeps of a number. A longer one is text."""
CREATED = datetime(2000, 1, 1, tzinfo=UTC)
"""What a workbook says of its own age: it has the same bytes every time."""
WIDTH = 12, 40
"""Characters that a column shows, at least and at most."""
BATCH_ROWS = 8192
NUMERIC = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint", "decimal"}


class XlsxFiles(Files):
    """Workbooks of one sheet with a bold header that stays in sight. Numbers, dates and booleans are such cells, all
    else is text as in CSV, and never a formula or a link."""

    type: Literal["xlsx"] = "xlsx"
    compression: Literal["none"] = "none"
    """A workbook is compressed inside."""
    max_rows: int | None = Field(default=SHEET_ROWS - 1, gt=0, lt=SHEET_ROWS)
    """At most this many records a file, and no more than a sheet has."""

    @property
    def header_lines(self) -> int:
        return 1

    @property
    def extension(self) -> str:
        """`.xlsx`."""
        return ".xlsx"


def problems(files: XlsxFiles, columns: Sequence[Column]) -> list[Problem]:  # noqa: ARG001  # depends on no setting
    """Maps whose keys are not text: nested values are JSON."""
    return json_problems(columns)


def write(files: XlsxFiles, con: duckdb.DuckDBPyConnection, query: str, path: Path, progress: Progress) -> Written:  # noqa: ARG001
    """The rows of `query`, in order, as the sheet of one workbook at `path`; one without rows has the header alone.

    Raises `SourceRefused` for text that is longer than a cell; then nothing is left at `path`.
    """
    try:
        with refusals():
            rows = with_room(con, lambda: _write(con, query, path, progress))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    size = path.stat().st_size
    progress.advance(size=size)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Written(rows=rows, size=size, uncompressed=size, sha256=digest)


def _write(con: duckdb.DuckDBPyConnection, query: str, path: Path, progress: Progress) -> int:
    import xlsxwriter  # type: ignore[import-untyped]

    found, rows = columns(con, query), 0
    # In constant memory a row is written when the next one begins; text lies in its own cell.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as workbook:
        workbook.set_properties({"created": CREATED})
        sheet = workbook.add_worksheet()
        sheet.freeze_panes(1, 0)
        for number, column in enumerate(found):
            sheet.set_column(number, number, min(max(len(column.name) + 2, WIDTH[0]), WIDTH[1]))
        sheet.write_row(0, 0, [column.name for column in found], workbook.add_format({"bold": True}))
        styles = [workbook.add_format(_FORMATS.get(kind(column.type), {})) for column in found]
        for rows, row in enumerate(_rows(con, query, found), 1):
            for number, value in enumerate(row):
                _write_cell(sheet, (rows, number), value, styles[number], found[number].name)
            progress.advance(rows=1)
    return rows


_FORMATS = {"date": {"num_format": "yyyy-mm-dd"}, "timestamp": {"num_format": "yyyy-mm-dd hh:mm:ss"}}


def _rows(con: duckdb.DuckDBPyConnection, query: str, found: Sequence[Column]) -> Iterator[tuple[Any, ...]]:
    values = ", ".join(f"{_value(column)} as {identifier(column.name)}" for column in found)
    result = con.execute(f"select {values} from ({query})")
    while batch := result.fetchmany(BATCH_ROWS):
        yield from batch


def _value(column: Column) -> str:
    """SQL of what becomes of the value: a number, a date, a boolean, or text."""
    if kind(column.type) in {*NUMERIC, *_FORMATS, "boolean"}:
        return identifier(column.name)
    return csv_text(column, Policy())


def _write_cell(sheet: Any, place: tuple[int, int], value: Any, style: Any, name: str) -> None:
    if value is None:
        return
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise SourceRefused(
                f"{name}: text of {len(value):,} characters in row {place[0]:,} does not fit a cell, which has at most"
                f" {LONGEST_TEXT:,}; leave the column out, or declare CsvFiles"
            )
        sheet.write_string(*place, value)
    elif isinstance(value, bool):
        sheet.write_boolean(*place, value)
    elif hasattr(value, "year"):
        if value.year < 1900:  # noqa: PLR2004  # where the calendar of spreadsheets begins
            sheet.write_string(*place, value.isoformat())
        else:
            sheet.write_datetime(*place, value, style)
    elif len(str(value).lstrip("-").replace(".", "").strip("0")) > EXACT_DIGITS:
        sheet.write_string(*place, str(value))
    else:
        sheet.write_number(*place, value)
