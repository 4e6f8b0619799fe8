"""XLSX: one sheet a file, for people who open it in a spreadsheet. Written by XlsxWriter."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
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
"""What a spreadsheet keeps of an integer or a decimal. A longer one is text."""
FIRST_YEAR = 1900
CREATED = datetime(2000, 1, 1, tzinfo=UTC)
"""What a workbook says of its own age: it has the same bytes every time."""
WIDTH = 12, 40
"""Characters that a column shows, at least and at most."""
BATCH_ROWS = 8192
NUMERIC = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint", "decimal"}
FLOATS = {"float", "double"}


class XlsxFiles(Files):
    """Workbooks of one sheet with a bold header that stays in sight. Numbers, dates and booleans are such cells, where
    a cell can hold them: 15 digits of an integer or decimal, dates from 1900 on, milliseconds. All else is text as in
    CSV, and never a formula or a link. A floating number has 16 digits, NaN and infinities are empty cells."""

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
            for number, text in enumerate(row):
                if text is not None:
                    _write_cell(sheet, (rows, number), text, styles[number], found[number])
            progress.advance(rows=1)
    return rows


_FORMATS = {"date": {"num_format": "yyyy-mm-dd"}, "timestamp": {"num_format": "yyyy-mm-dd hh:mm:ss"}}


def _rows(con: duckdb.DuckDBPyConnection, query: str, found: Sequence[Column]) -> Iterator[tuple[str | None, ...]]:
    """The values as the contract has them in text: what it refuses is refused here too."""
    values = ", ".join(f"{csv_text(column, Policy())} as {identifier(column.name)}" for column in found)
    result = con.execute(f"select {values} from ({query})")
    while batch := result.fetchmany(BATCH_ROWS):
        yield from batch


def _write_cell(sheet: Any, place: tuple[int, int], text: str, style: Any, column: Column) -> None:
    """A number, a date or a boolean where a cell can hold it exactly, else text."""
    name = kind(column.type)
    if name == "boolean":
        sheet.write_boolean(*place, text == "true")
    elif name in FLOATS or (name in NUMERIC and len(text.lstrip("-").replace(".", "").strip("0")) <= EXACT_DIGITS):
        sheet.write_number(*place, float(text) if name in FLOATS else Decimal(text))
    elif name in _FORMATS and _has_cell(moment := datetime.fromisoformat(text)):
        sheet.write_datetime(*place, moment, style)
    elif len(text) > LONGEST_TEXT:
        raise SourceRefused(
            f"{column.name}: text of {len(text):,} characters in row {place[0]:,} does not fit a cell, which has"
            f" at most {LONGEST_TEXT:,}; leave the column out, or declare CsvFiles"
        )
    else:
        sheet.write_string(*place, text)


def _has_cell(moment: datetime) -> bool:
    """Whether a spreadsheet has the moment: its calendar begins in 1900, and its clock has milliseconds."""
    return moment.year >= FIRST_YEAR and moment.microsecond % 1000 == 0
