"""What the table of the type contract says is what the files hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exports.contract import problems, staged
from include.exports.contract.kinds import KEPT, REFUSED, kind
from include.exports.contract.table import CHOICES, TABLE, Choice, Row, markdown
from include.exports.engine import connect
from include.exports.errors import SourceRefused
from include.exports.formats.csv import CsvFiles
from include.exports.formats.json import JsonFiles
from include.exports.formats.parquet import ParquetFiles
from include.exports.formats.text import columns
from include.exports.sources import Column
from tests.rigs.files import records, text, write

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

VALUES: dict[str, Any] = {
    "true": True,
    "(-128)::TINYINT": -128,
    "(-32768)::SMALLINT": -32768,
    "(-2147483648)::INTEGER": -(2**31),
    "9007199254740993::BIGINT": 2**53 + 1,
    "255::UTINYINT": 255,
    "65535::USMALLINT": 65535,
    "4294967295::UINTEGER": 2**32 - 1,
    "18446744073709551615::UBIGINT": 2**64 - 1,
    "'12345678901234567890.100000000000000000'::DECIMAL(38,18)": Decimal("12345678901234567890.100000000000000000"),
    "1.1::FLOAT": pa.scalar(1.1, pa.float32()).as_py(),
    "-1e-7::DOUBLE": -1e-7,
    """'say "é"'""": 'say "é"',
    "'b'::ENUM('a', 'b')": "b",
    r"'\xFB\xFF\x00'::BLOB": b"\xfb\xff\x00",
    "'0a1b2c3d-0000-4000-8000-00000000000f'::UUID": UUID("0a1b2c3d-0000-4000-8000-00000000000f"),
    "'1969-07-20'::DATE": date(1969, 7, 20),
    "'23:59:59.5'::TIME": time(23, 59, 59, 500_000),
    "'23:59:59.123456789'::TIME_NS": timedelta(hours=23, minutes=59, seconds=59, microseconds=123_456),
    "'2300-01-01 00:00:00.000001'::TIMESTAMP": datetime(2300, 1, 1, 0, 0, 0, 1),
    "'1969-12-31 23:59:59'::TIMESTAMP_S": datetime(1969, 12, 31, 23, 59, 59),
    "'1969-12-31 23:59:59.123'::TIMESTAMP_MS": datetime(1969, 12, 31, 23, 59, 59, 123_000),
    "'1969-12-31 23:59:59.123456789'::TIMESTAMP_NS": -876_543_211,
    "'2024-02-29 09:00:00.5+09'::TIMESTAMPTZ": datetime(2024, 2, 29, 0, 0, 0, 500_000, UTC),
    "'2024-02-29 00:00:00.123456789+00'::TIMESTAMPTZ_NS": 1_709_164_800_123_456_789,
    "'1 year -2 months 3 days -4.5 seconds'::INTERVAL": "P10M3DT-4.5S",
    """'{"a": 1.10}'::JSON""": '{"a": 1.10}',
    "[1.5, NULL]::DOUBLE[]": [1.5, None],
    "[1, 2]::INTEGER[2]": [1, 2],
    "{'a': DATE '2024-01-01', 'b': NULL::VARCHAR}": {"a": date(2024, 1, 1), "b": None},
    "MAP {'a': 1::BIGINT}": [("a", 1)],
    "NULL::VARCHAR": None,
    "''": "",
}
"""Every example of the table as Python has it; nanoseconds as a count, for Python has none."""


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return connect(2)


def example(row: Row | Choice) -> str:
    # Two columns: a single one may not be an empty line in CSV. From a table: a constant would be folded away.
    return f"select {row.example} as x, i::integer as i from range(1) t(i)"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.example)
def test_a_type_is_written_to_json_as_the_table_says(row: Row, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = JsonFiles(compression="none")
    write(files, con, example(row), tmp_path / "f")
    assert text(files, tmp_path / "f") == f'{{"x":{row.json},"i":0}}\n'
    assert len(records(files, tmp_path / "f")) == 1


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.example)
def test_a_type_is_written_to_csv_as_the_table_says(row: Row, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    files = CsvFiles(compression="none")
    write(files, con, example(row), tmp_path / "f")
    assert text(files, tmp_path / "f") == f"x,i\n{row.csv},0\n"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.example)
def test_a_type_is_written_to_parquet_as_the_table_says(
    row: Row, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    kept = staged(columns(con, example(row))[0])
    write(ParquetFiles(), con, f"select {kept} as x from ({example(row)})", tmp_path / "f")
    column = pq.read_table(tmp_path / "f").column("x")
    value: Any = column[0]
    if row.parquet.startswith("timestamp[ns"):
        value = value.cast(pa.int64())
    elif row.parquet == "time64[ns]":
        value = pa.scalar(value.value // 1000, pa.duration("us"))
    assert (str(column.type), value.as_py()) == (row.parquet, VALUES[row.example])


def _written(setting: str, row: Choice, con: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, str]:
    name, value = setting.split(": ")
    declared: dict[str, Any] = {name: value == "True" if name == "as_string" else value}
    made = []
    for files in (
        JsonFiles(compression="none", **declared),
        CsvFiles(compression="none", header=False, **({} if name == "as_string" else declared)),
    ):
        try:
            write(files, con, example(row), path)
            made.append(text(files, path))
        except SourceRefused:
            made.append("refused")
    return made[0], made[1]


@pytest.mark.parametrize("row", CHOICES, ids=lambda row: f"{row.setting} {row.example}")
def test_a_setting_decides_as_the_table_says(row: Choice, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    expected = (
        row.json if row.json == "refused" else f'{{"x":{row.json},"i":0}}\n',
        row.csv if row.csv == "refused" else f"{row.csv},0\n",
    )
    assert _written(row.setting, row, con, tmp_path / "f") == expected


def test_the_table_has_an_example_of_every_type_that_is_kept(con: duckdb.DuckDBPyConnection) -> None:
    assert {kind(columns(con, example(row))[0].type) for row in TABLE} == KEPT


def test_every_type_of_duckdb_is_kept_or_refused_with_a_reason(con: duckdb.DuckDBPyConnection) -> None:
    names = {name for (name,) in con.sql("select distinct lower(logical_type) from duckdb_types()").fetchall()}
    assert names - KEPT - set(REFUSED) - {"any", "row"} == set()
    assert KEPT & set(REFUSED) == set()


def test_every_refused_type_is_a_problem_with_a_remedy() -> None:
    import duckdb

    examples = {
        "null": '"NULL"',
        "time with time zone": "TIMETZ",
        "tuple": "TUPLE(INTEGER, VARCHAR)",
        "union": "UNION(a INTEGER, b VARCHAR)",
    }
    for name, (why, remedy) in REFUSED.items():
        type_ = duckdb.sqltype(examples.get(name, name))
        (problem,) = problems([Column(name="x", type=type_)])
        assert problem.field == "columns.cast"
        assert problem.message == f"'x' is {type_}, which cannot be kept: {why}; cast it to {remedy}"


def test_the_page_has_every_row_of_the_table() -> None:
    page = markdown()
    assert [row for row in TABLE if f"| {row.types} | `{row.example}` |" not in page] == []
    assert [name for name in REFUSED if f"| {name.upper()} |" not in page] == []
