"""Declared casts: what comes out is what went in, or the value is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from include.exports.contract import cast_exactly, cast_problem, problems, refusals
from include.exports.engine import connect, literal
from include.exports.errors import SourceRefused
from include.exports.sources import Column
from include.exports.sources.exact import CLASSES, type_problem

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(2) as con:
        yield con


def cast(con: duckdb.DuckDBPyConnection, value: str, wanted: str, *, secret: bool = False) -> Any:
    """The SQL value after the cast, as Arrow has it."""
    rows = f"select x from (values ({value}), (null)) t(x)"
    (source,) = con.sql(rows).types
    sql = cast_exactly("x", source, duckdb.sqltype(wanted), "x", secret=secret)
    with refusals():
        result = con.sql(f"select {sql} as x from ({rows})").to_arrow_table()["x"]
    kept, null = result
    assert null.as_py() is None
    if pa.types.is_timestamp(result.type) or pa.types.is_time(result.type):
        return (kept.cast(pa.string()) if result.type.unit == "ns" else kept).as_py()
    return kept.as_py()


@pytest.mark.parametrize("name", [*sorted(CLASSES.keys() - {"DECIMAL"}), "DECIMAL(1,0)", "DECIMAL(38, 38)"])
def test_what_is_a_type_without_asking_duckdb_is_one_to_duckdb_and_kept_by_files(name: str) -> None:
    assert type_problem(name) is None
    assert problems([Column(name="x", type=duckdb.sqltype(name))]) == []


@pytest.mark.parametrize(
    ("text", "wanted", "kept"),
    [
        ("007", "INTEGER", 7),
        ("-9223372036854775808", "BIGINT", -(2**63)),
        ("+18446744073709551615", "UBIGINT", 2**64 - 1),
        ("-1.50", "DECIMAL(9,1)", Decimal("-1.5")),
        ("0.123456789012345678000", "DECIMAL(38,18)", Decimal("0.123456789012345678")),
        ("12345678901234567890.0", "DECIMAL(20,0)", Decimal(12345678901234567890)),
        ("0.1", "FLOAT", pa.scalar(0.1, pa.float32()).as_py()),
        ("0.1234567890123456789", "DOUBLE", 0.1234567890123456789),
        ("-1.5e-3", "DOUBLE", -0.0015),
        ("9007199254740992", "DOUBLE", 2.0**53),
        ("9007199254740994.0", "DOUBLE", 2.0**53 + 2),
        ("-inf", "DOUBLE", float("-inf")),
        ("true", "BOOLEAN", True),
        ("2024-02-29", "DATE", date(2024, 2, 29)),
        ("23:59:59.1234560", "TIME", time(23, 59, 59, 123456)),
        ("23:59:59.123456789", "TIME_NS", "23:59:59.123456789"),
        ("2024-02-29T12:00:00.000", "TIMESTAMP_S", datetime(2024, 2, 29, 12)),
        ("2024-02-29 12:00:00.123000", "TIMESTAMP_MS", datetime(2024, 2, 29, 12, 0, 0, 123000)),
        ("2024-02-29 12:00:00.123456", "TIMESTAMP", datetime(2024, 2, 29, 12, 0, 0, 123456)),
        ("2024-02-29 12:00:00.123456789", "TIMESTAMP_NS", "2024-02-29 12:00:00.123456789"),
        ("2024-02-29T12:00:00+09:30", "TIMESTAMPTZ", datetime(2024, 2, 29, 2, 30, tzinfo=UTC)),
        ("2024-02-29T12:00:00Z", "TIMESTAMPTZ", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("2024-02-29 12:00:00.123456789-05", "TIMESTAMPTZ_NS", "2024-02-29 17:00:00.123456789Z"),
        ("0A1B2C3D-0000-4000-8000-00000000000f", "UUID", "0a1b2c3d-0000-4000-8000-00000000000f"),
        ('{"a":\n1.10}', "JSON", '{"a":\n1.10}'),
        (" any text ", "VARCHAR", " any text "),
    ],
)
def test_text_of_the_form_of_a_type_is_its_value(
    text: str, wanted: str, kept: object, con: duckdb.DuckDBPyConnection
) -> None:
    assert cast(con, literal(text), wanted) == kept


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x", "INTEGER"),
        ("", "INTEGER"),
        (" 1", "INTEGER"),
        ("1\n", "INTEGER"),
        ("1.0", "INTEGER"),
        ("1e3", "INTEGER"),
        ("0x10", "INTEGER"),
        ("1_000", "INTEGER"),
        ("2147483648", "INTEGER"),
        ("-1", "UBIGINT"),
        ("123456789012345678.9", "BIGINT"),
        ("1.505", "DECIMAL(9,2)"),
        ("10000000.00", "DECIMAL(9,2)"),
        ("0.1234567890123456789", "DECIMAL(38,18)"),
        ("12345678901234567890.5", "DECIMAL(20,0)"),
        ("1e400", "DOUBLE"),
        ("1e39", "FLOAT"),
        ("9007199254740993", "DOUBLE"),
        ("9007199254740993.0", "DOUBLE"),
        ("1" + "0" * 400, "DOUBLE"),
        ("16777217", "FLOAT"),
        ("yes", "BOOLEAN"),
        ("t", "BOOLEAN"),
        ("1", "BOOLEAN"),
        ("2024-02-30", "DATE"),
        ("2024-2-3", "DATE"),
        ("2024-02-29 12:34:56", "DATE"),
        ("2024-02-29", "TIME"),
        ("12:00:00.1234567", "TIME"),
        ("12:00:00+09", "TIME"),
        ("2024-02-29 12:34:56.123", "TIMESTAMP_S"),
        ("2024-02-29 12:34:56.1234", "TIMESTAMP_MS"),
        ("2024-02-29 12:34:56.1234567", "TIMESTAMP"),
        ("2024-02-29 12:34:56.1234567891", "TIMESTAMP_NS"),
        ("1600-01-01 00:00:00", "TIMESTAMP_NS"),
        ("2024-02-29 12:00:00+09", "TIMESTAMP"),
        ("2024-02-29 12:00:00Z", "TIMESTAMP"),
        ("2024-02-29", "TIMESTAMP"),
        ("epoch", "TIMESTAMP"),
        ("infinity", "TIMESTAMP"),
        ("2024-02-29 12:00:00", "TIMESTAMPTZ"),
        ("2024-02-29 12:00:00+99", "TIMESTAMPTZ"),
        ("2024-02-29 12:00:00+09:99", "TIMESTAMPTZ"),
        ("2024-02-29 12:00:00 Europe/Berlin", "TIMESTAMPTZ"),
        ("0a1b2c3d00004000800000000000000f", "UUID"),
        ("{a", "JSON"),
    ],
)
def test_other_text_is_refused(text: str, wanted: str, con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(SourceRefused) as refused:
        cast(con, literal(text), wanted)
    assert str(refused.value).startswith(f"column 'x': {text[:100]} cannot be cast to {duckdb.sqltype(wanted)} without")


@pytest.mark.parametrize(
    ("value", "wanted", "kept"),
    [
        ("1.0::double", "INTEGER", 1),
        ("9007199254740992", "DOUBLE", 2.0**53),
        ("1.5::double", "VARCHAR", "1.5"),
        ("'nan'::double", "VARCHAR", "nan"),
        ("1.50::decimal(9,2)", "DECIMAL(9,1)", Decimal("1.5")),
        ("timestamp '2024-02-29 00:00:00'", "DATE", date(2024, 2, 29)),
        ("['1', '2']", "INTEGER[]", [1, 2]),
        ("'b'::enum('a', 'b')", "VARCHAR", "b"),
        ("'{\"a\": 1}'::json", "VARCHAR", '{"a": 1}'),
    ],
)
def test_a_value_that_the_cast_back_gives_again_is_kept(
    value: str, wanted: str, kept: object, con: duckdb.DuckDBPyConnection
) -> None:
    assert cast(con, value, wanted) == kept


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("1.5::double", "INTEGER"),
        ("'nan'::double", "INTEGER"),
        ("9007199254740993", "DOUBLE"),
        ("9223372036854775807", "DOUBLE"),
        ("40000", "SMALLINT"),
        ("timestamp '2024-02-29 10:00:00'", "DATE"),
        ("timestamp '2024-02-29 10:00:00'", "TIME"),
        ("timestamp_ns '2024-02-29 10:00:00.123456789'", "TIMESTAMP"),
        ("date '2024-02-29'", "INTEGER"),
        ("[1.5, 2]", "INTEGER[]"),
        ("['1.5']", "INTEGER[]"),
        ("{'a': 1, 'b': 2}", "STRUCT(a INTEGER)"),
    ],
)
def test_a_value_that_it_does_not_give_again_is_refused(
    value: str, wanted: str, con: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(SourceRefused, match=r"^column 'x': .* cannot be cast to .* without changing it; cast to"):
        cast(con, value, wanted)


@pytest.mark.parametrize(("value", "wanted"), [("'alice'", "INTEGER"), ("1234.5::double", "INTEGER")])
def test_a_refusal_does_not_show_a_masked_value(value: str, wanted: str, con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(SourceRefused) as refused:
        cast(con, value, wanted, secret=True)
    assert str(refused.value).startswith("column 'x': a value that is masked cannot be cast to INTEGER without")
    shown, error = "", refused.value
    while error:
        shown, error = f"{shown}{error}", error.__cause__ or error.__context__
    assert "alice" not in shown
    assert "1234" not in shown


@pytest.mark.parametrize("wanted", ["BLOB", "INTERVAL", "INTEGER[]", "STRUCT(a INTEGER)", "ENUM('a')"])
def test_text_is_not_cast_to_types_that_have_no_one_form(wanted: str) -> None:
    type_ = duckdb.sqltype(wanted)
    assert cast_problem(duckdb.sqltype("VARCHAR"), type_) == (
        f"text is never cast to {type_}, which has no one exact form in text; convert it in the source"
    )
    assert cast_problem(duckdb.sqltype("BIGINT[]"), type_) is None
