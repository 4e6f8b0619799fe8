"""Workbooks as openpyxl finds them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook

from include.exports.engine import connect
from include.exports.errors import SourceRefused
from include.exports.formats.xlsx import XlsxFiles
from include.exports.model import Broken
from tests.rigs.files import write

if TYPE_CHECKING:
    from pathlib import Path

QUERY = """
    select date '2024-05-01' + n::integer as day, n as number, n * 1.25 as amount, 'text ' || n as text,
           n = 1 as flag, timestamp '2024-05-01 12:34:56' as moment, {'a': n} as nested, '=1+1' as formula,
           9007199254740993 as long, null::varchar as nothing
    from range(3) t(n)"""


def test_values_are_cells_of_their_kind_below_a_header(tmp_path: Path) -> None:
    written = write(XlsxFiles(), connect(2), QUERY, tmp_path / "f.xlsx")
    sheet = load_workbook(tmp_path / "f.xlsx").active
    header, *rows = sheet.iter_rows(values_only=True)
    assert header == (
        "day", "number", "amount", "text", "flag", "moment", "nested", "formula", "long", "nothing",
    )  # fmt: skip
    assert rows[1] == (
        datetime(2024, 5, 2), 1, 1.25, "text 1", True, datetime(2024, 5, 1, 12, 34, 56), '{"a":1}', "=1+1",
        "9007199254740993", None,
    )  # fmt: skip
    assert (written.rows, len(rows), sheet.freeze_panes, sheet["A2"].number_format) == (3, 3, "A2", "yyyy-mm-dd")
    assert {sheet.cell(2, column).data_type for column in (4, 8, 9)} == {"s"}, "text is never a formula"


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write(XlsxFiles(), connect(threads), QUERY, tmp_path / f"{threads}") for threads in (1, 4))
    assert first == second
    assert {entry.date_time[0] for entry in ZipFile(tmp_path / "1").infolist()} == {1980}, "no clock"


def test_no_rows_are_a_header_alone(tmp_path: Path) -> None:
    assert write(XlsxFiles(), connect(2), f"{QUERY} limit 0", tmp_path / "f.xlsx").rows == 0
    assert load_workbook(tmp_path / "f.xlsx").active.max_row == 1


def test_text_that_is_longer_than_a_cell_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(
        SourceRefused, match="long: text of 32,768 characters in row 1 does not fit a cell, which has at most 32,767"
    ):
        write(XlsxFiles(), connect(2), "select repeat('x', 32768) as long", tmp_path / "f.xlsx")
    assert not (tmp_path / "f.xlsx").exists()


def test_a_file_has_no_more_rows_than_a_sheet() -> None:
    assert XlsxFiles().max_rows == 1_048_575
    assert isinstance(XlsxFiles(max_rows=1_048_576), Broken)


def test_what_a_cell_cannot_hold_is_text_and_no_number_is_guessed(tmp_path: Path) -> None:
    query = """
        select date '1899-12-31' as early, 'infinity'::date as never, timestamp '2024-05-01 12:00:00.000001' as precise,
               'nan'::double as nan, 0.1::double as share, 12345678901234567.5::decimal(38, 1) as exact,
               -1234567890.25::decimal(18, 2) as amount"""
    write(XlsxFiles(), connect(1), query, tmp_path / "f.xlsx")
    _, row = load_workbook(tmp_path / "f.xlsx").active.iter_rows(values_only=True)
    assert row == (
        "1899-12-31", None, "2024-05-01T12:00:00.000001", None, 0.1, "12345678901234567.5", -1234567890.25,
    )  # fmt: skip
